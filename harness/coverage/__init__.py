"""Coverage of the compiler under test: native blocks and Python lines.

`elf.py` and `blockmap.py` know the stripped library, `_native.c` sets the breakpoints, `native.py`
drives them, `crash.py` reads the reports of crashed workers, `scope.py` says which files count, and
`python_lines.py` records TVM's own Python.
"""
