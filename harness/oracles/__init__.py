"""Oracles: what turns a case into a verdict. `verify.py` runs them in order."""
