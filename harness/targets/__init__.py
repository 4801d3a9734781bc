"""Targets: compile lowered TIR to code that can be run. One small file for each code generator.

`table.py` lists them, by the target's name in a Case; none is made, nor TVM loaded, before it is
used. Lowering, which is the same for all of them, is in `harness/passes/build.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol, cast

from harness import UserError
from harness.targets.table import BY_NAME, NAMES

__all__ = ["Runnable", "Target", "get_target"]


class Runnable(Protocol):
    """Compiled and loaded code."""

    def run(self, args: Sequence[Any]) -> None:
        """Call it on one argument per parameter; arrays are changed in place."""


class Target(Protocol):
    """A code generator with its options, under the name that cases use."""

    @property
    def name(self) -> str:
        """The name in cases, e.g. "llvm-O0"."""

    @property
    def has_runtime(self) -> bool:
        """Whether TVM's runtime calls its functions, which are lowered for it."""

    @property
    def is_strict(self) -> bool:
        """Whether its float arithmetic is that of IEEE 754, including NaN and infinities."""

    @property
    def runs(self) -> bool:
        """Whether its code runs on this machine, on which it is else only compiled."""

    def refusal(self, function: Any) -> str | None:
        """None, or why this target can't express the PrimFunc."""

    def prepare(self, module: Any) -> Any:
        """An equivalent module in the form that the target needs before any pass."""

    def available(self) -> str | None:
        """None if it works on this machine, else why not and what to install."""

    def description(self) -> dict[str, object]:
        """The argument of `tvm.target.Target` for this target."""

    def generate(self, lowered: Any) -> Any:
        """What TVM's code generator makes of a module that has been lowered up to it.

        Raises:
            NotExpressible, RaisedByTVM: as `build`.
            CompilerRejected: the source breaks a rule that it can be checked by without a compiler.
        """

    def build(self, lowered: Any) -> Runnable | None:
        """Compile a module that has been lowered up to code generation, and load it.

        None if the target doesn't run on this machine.

        Raises:
            NotExpressible: the target can't express the lowered module.
            CompilerRejected: a compiler rejects the code that TVM generated.
            RaisedByTVM: the code generator raised.
            harness.devices.base.KernelRefused: a device rejects the code that TVM generated.
            harness.devices.base.DeviceError: the device died.
        """


@cache
def get_target(name: str) -> Target:
    """The target of this name.

    Raises:
        UserError: there is none; the message lists the names.
    """
    if name not in BY_NAME:
        raise UserError(f"unknown target {name!r}; the targets are {', '.join(NAMES)}")
    row = BY_NAME[name]
    return cast(Target, importlib.import_module(f"harness.targets.{row.module}").make(row))
