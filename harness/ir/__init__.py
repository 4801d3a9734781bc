"""Reads and rewrites TIR: paths into a function, sites of mutation, intervals of values."""
