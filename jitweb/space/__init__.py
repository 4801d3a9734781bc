"""The search space: one file for each kernel family, and a table of parameters for each target."""
