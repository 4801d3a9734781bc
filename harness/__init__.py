"""The bottom floor: builds and verifies programs; the only place that calls TVM's compiler.

`docs/how-it-works.md` tells in which order its parts come into play.
"""
