"""The reference semantics: what TIR means, independently of TVM's passes and code generators.

`compile_program(module).run(args)` is the meaning; `compare.expect` adds how far a correct
compilation may deviate from it. A reader starts at program.py, then statements.py and
expressions.py; what is undefined is listed in errors.py.
"""

from harness.semantics.errors import AssertFailed, StepLimit, UndefinedBehaviour, Unsupported
from harness.semantics.program import Program, compile_program

__all__ = [
    "AssertFailed",
    "Program",
    "StepLimit",
    "UndefinedBehaviour",
    "Unsupported",
    "compile_program",
]
