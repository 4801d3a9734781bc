"""What every layer needs of the system: processes, files, text. Imports nothing else of ours."""
