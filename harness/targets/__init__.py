"""Targets: how lowered TIR becomes something that runs. One small file a code generator.

`TARGETS` is the registry, by the name that a Case carries. Lowering, the same for all of them, is
in `harness/lowering.py`.
"""

from __future__ import annotations

from typing import Protocol

from harness.targets.c import C
from harness.targets.executable import Executable
from harness.targets.llvm import LLVM_TARGETS

__all__ = ["TARGETS", "Executable", "Target", "get_target"]


class Target(Protocol):
    """A code generator with its options, under the name that cases use."""

    @property
    def name(self) -> str:
        """The name in cases, e.g. "llvm-O0"."""

    def available(self) -> str | None:
        """None if it works on this machine, else why not and what to install."""

    def description(self) -> dict[str, object]:
        """TVM's own description of it, to be given to `tvm.target.Target`."""

    def build(self, lowered: object) -> Executable:
        """Compile a module that has been lowered up to code generation, and load it."""


TARGETS: dict[str, Target] = {target.name: target for target in (*LLVM_TARGETS, C())}


def get_target(name: str) -> Target:
    """The target of this name.

    Raises:
        ValueError: there is none; the message lists the names.
    """
    try:
        return TARGETS[name]
    except KeyError:
        known = ", ".join(TARGETS)
        raise ValueError(f"unknown target {name!r}; the targets are {known}") from None
