"""Targets: compile lowered TIR to code that can be run. One small file for each code generator.

`TARGETS` is the registry, by the target's name in a Case. Lowering, which is the same for all of
them, is in `harness/passes/build.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from harness import UserError
from harness.targets.c import C
from harness.targets.executable import Executable, NotExpressible
from harness.targets.llvm import LLVM_TARGETS
from harness.targets.web import DEVICE_TARGETS

__all__ = ["TARGETS", "Executable", "NotExpressible", "Runnable", "Target", "get_target"]


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
        """

    def build(self, lowered: Any) -> Runnable:
        """Compile a module that has been lowered up to code generation, and load it.

        Raises:
            NotExpressible: the target can't express the lowered module.
            CompilerRejected: a compiler rejects the code that TVM generated.
            RaisedByTVM: the code generator raised.
            harness.devices.base.KernelRefused: a device rejects the code that TVM generated.
            harness.devices.base.DeviceError: the device died.
        """


TARGETS: dict[str, Target] = {
    target.name: target for target in (*LLVM_TARGETS, C(), *DEVICE_TARGETS)
}


def get_target(name: str) -> Target:
    """The target of this name.

    Raises:
        UserError: there is none; the message lists the names.
    """
    try:
        return TARGETS[name]
    except KeyError:
        known = ", ".join(TARGETS)
        raise UserError(f"unknown target {name!r}; the targets are {known}") from None
