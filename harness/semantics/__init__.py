"""The reference semantics: what TIR means, independently of TVM's passes and code generators.

`compile_program(module).run(args)` interprets a module; `expectation.expect` adds how far a correct
compilation may deviate from the result. Start reading at program.py, then statements.py and
expressions.py; errors.py lists what is undefined behaviour.
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
