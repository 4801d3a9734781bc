"""Coverage of the compiler under test: native blocks and Python lines.

`elf.py` reads the stripped library, `source_files.py` says which file each function is from, and
`blockmap.py` cuts them into blocks. `_native.c` sets the breakpoints, `native.py` drives them, and
`scope.py` says which files count. `_crash.h` has a dying worker leave its backtrace, which
`crash.py` reads. `python_lines.py` records TVM's own Python.
"""
