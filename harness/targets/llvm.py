"""The llvm targets: TVM's LLVM code generator, compiled and run in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import tvm

from harness.targets.executable import Executable, raised_by_tvm
from harness.targets.on_host import OnHost

NATIVE_CPU = "native"  # replaced by the name of this machine's processor


@dataclass(frozen=True)
class LLVM(OnHost):
    """One set of options of the LLVM code generator."""

    name: str
    options: dict[str, object] = field(default_factory=dict)

    def available(self) -> str | None:
        if tvm.get_global_func("target.build.llvm", allow_missing=True) is None:
            return "this TVM is built without LLVM; install the apache-tvm wheel from PyPI"
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

    def build(self, lowered: Any) -> Executable:
        build, target = tvm.get_global_func("target.build.llvm"), self.description()
        with raised_by_tvm():
            return Executable(build(lowered, tvm.target.Target(target)))


LLVM_TARGETS = (
    LLVM("llvm"),
    LLVM("llvm-O0", {"opt-level": 0}),
    LLVM("llvm-O1", {"opt-level": 1}),
    LLVM("llvm-O3", {"opt-level": 3}),
    LLVM("llvm-native", {"mcpu": NATIVE_CPU}),
)
