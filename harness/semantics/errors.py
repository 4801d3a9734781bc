"""The exceptions that interpreting a program may raise.

`UndefinedBehaviour` makes a case invalid (the program is at fault), `Unsupported` means that the
interpreter doesn't model a construct, and `AssertFailed` and `StepLimit` are defined early ends.
"""

from __future__ import annotations

from typing import NoReturn

KINDS = frozenset({
    "signed-overflow",  # integer arithmetic does not fit its dtype (also unsigned from 32 bits up)
    "out-of-range",  # an index outside the buffer's shape
    "division-by-zero",  # of integers
    "unwritten-read",  # an element of an allocated buffer is read before it is written
    "data-race",  # two iterations of a concurrent loop access an element and one writes it
    "bad-cast",  # a float that the integer dtype can't hold, or NaN
    "bad-shift",  # a shift by a negative amount, or by the width or more
    "bad-argument",  # an intrinsic outside its domain, such as clz(0); of a call, another dtype
    "false-assume",  # T.assume of something false
    "block-domain",  # a block's iteration variable is bound outside its declared domain
    "reduction-in-init",  # a block's init uses an axis that it is to run before
    "undeclared-access",  # a block accesses what its read and write regions don't cover
})  # fmt: skip


class Unsupported(Exception):
    """The program uses a construct that the interpreter doesn't model; the message names it."""


class UndefinedBehaviour(Exception):
    """The program has undefined behaviour on these inputs; `kind` is one of KINDS."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class AssertFailed(Exception):
    """An AssertStmt was false: a defined error of the program itself."""


class StepLimit(Exception):
    """The program executed more loop iterations than the caller allowed."""


def undefined(kind: str, message: str) -> NoReturn:
    """Raise UndefinedBehaviour; an expression, so that generated code may call it anywhere."""
    raise UndefinedBehaviour(kind, message)
