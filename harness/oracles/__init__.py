"""Oracles: the checks that turn a case into a verdict. `verify.py` runs them in order."""
