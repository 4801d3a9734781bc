"""The fuzzer: mutates TIR programs and pass sequences together, guided by compiler coverage.

`cli.py` has the commands; `docs/how-it-works.md` describes a campaign step by step.
"""

__version__ = "0.1.0"
