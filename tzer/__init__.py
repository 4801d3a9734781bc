"""The fuzzer: mutates TIR programs and pass sequences together, guided by compiler coverage.

`cli.py` holds the commands; `docs/how-it-works.md` tells the whole in the order in which it
happens.
"""

__version__ = "0.1.0"
