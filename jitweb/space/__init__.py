"""The search space: one file a kernel family, and for each target a table of what may vary."""
