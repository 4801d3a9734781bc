"""Coverage of the compiler under test: native blocks and Python lines.

`elf.py` reads the stripped library, `source_files.py` determines the source file of each function,
and `blockmap.py` divides them into basic blocks. `_native.c` sets the breakpoints, `native.py` uses
it, and `scope.py` lists the files that count. `_crash.h` writes the backtrace of a dying worker,
which `crash.py` reads. `python_lines.py` records the coverage of TVM's own Python.
"""
