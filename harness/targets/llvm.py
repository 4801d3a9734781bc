"""The llvm targets: TVM's LLVM code generator, compiled and, where it can be, run in this process.

Code for another processor is emitted as an object, which takes LLVM through all that it does for
code that runs: verification, optimisation, selection of instructions, allocation of registers.
"""

from __future__ import annotations

import platform
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import tvm

from harness.targets.executable import Executable, raised_by_tvm
from harness.targets.on_host import OnHost
from harness.targets.table import NOWHERE, TargetRow

NATIVE_CPU = "native"  # replaced by the name of this machine's processor


class LLVM(OnHost):
    """One set of options of the LLVM code generator."""

    def __init__(self, row: TargetRow) -> None:
        self.name = row.name
        self.options = dict(row.options)
        self.runs = row.runs != NOWHERE and (not row.needs or _has(*row.needs))

    def available(self) -> str | None:
        if tvm.get_global_func("target.build.llvm", allow_missing=True) is None:
            return "this TVM is built without LLVM; install the apache-tvm wheel from PyPI"
        triple = str(self.options.get("mtriple", ""))
        if triple and not any(triple.startswith(each.replace("-", "_")) for each in _generators()):
            return f"this TVM's LLVM makes no code for {triple}; install the apache-tvm wheel"
        return None

    def description(self) -> dict[str, object]:
        options = dict(self.options)
        if options.get("mcpu") == NATIVE_CPU:
            options["mcpu"] = str(tvm.target.codegen.llvm_get_system_cpu())
        return {"kind": "llvm", **options}

    def generate(self, lowered: Any) -> Any:
        """TVM's module of LLVM IR that is not optimised: LLVM's passes take ten times as long."""
        build = tvm.get_global_func("target.build.llvm")
        with raised_by_tvm():
            return build(lowered, tvm.target.Target({**self.description(), "opt-level": 0}))

    def build(self, lowered: Any) -> Executable | None:
        build, target = tvm.get_global_func("target.build.llvm"), self.description()
        with raised_by_tvm():
            module = build(lowered, tvm.target.Target(target))
            if self.runs:
                return Executable(module)
        emit_object(module)
        return None


def make(row: TargetRow) -> LLVM:
    """The target of a row of the table."""
    return LLVM(row)


def emit_object(module: Any) -> None:
    """Have LLVM emit the module's object code; raises RaisedByTVM if it can't."""
    with tempfile.TemporaryDirectory(prefix="tzer-llvm-") as folder, raised_by_tvm():
        module.write_to_file(str(Path(folder) / "module.o"), "o")


@cache
def _generators() -> tuple[str, ...]:
    """The processors that TVM's LLVM makes code for, as in "aarch64" or "x86-64"."""
    return tuple(str(each) for each in tvm.target.codegen.llvm_get_targets())


@cache
def _has(*flags: str) -> bool:
    """Whether this machine is Linux on x86-64, on a processor with these flags."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return False
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(flags) <= set(line.split())
    return False
