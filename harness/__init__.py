"""The bottom floor: builds and verifies programs; the only place that compiles TIR.

`docs/how-it-works.md` tells in which order its parts come into play.
"""
