"""Source targets: kernels for GPUs that are generated here, checked, and run nowhere.

CUDA, OpenCL and Metal are text, which is checked by the rules of `source_rules.py` and by a
compiler where one is installed (`source_compilers.py`). For ROCm TVM's LLVM verifies and emits the
code. A program begins as a kernel, as for WebGPU.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import tvm
import tvm_ffi
from tvm import ir, tirx

from harness import compat
from harness.ir import rewrite
from harness.targets.executable import CompilerRejected, NotExpressible, raised_by_tvm
from harness.targets.expressible import refusal_of_device_memory, refusal_of_dtypes
from harness.targets.invocations import as_kernel
from harness.targets.source_compilers import COMPILERS
from harness.targets.source_rules import broken_rule
from harness.targets.table import TargetRow
from harness.targets.webgpu import LAUNCH_PARAMETERS, split_kernels

SCALARS = frozenset(
    {"bool", "float16", "bfloat16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
LANGUAGES = {"cuda": "CUDA", "opencl": "OpenCL", "metal": "Metal"}
"""Those whose text is checked; the code for ROCm is LLVM's."""


class Source:
    """One language, by its kind of target in TVM."""

    has_runtime = False
    is_strict = False
    runs = False

    def __init__(self, row: TargetRow) -> None:
        self.name = row.name
        self.options = dict(row.options)

    def available(self) -> str | None:
        if tvm.get_global_func(f"target.build.{self.name}", allow_missing=True) is None:
            return f"this TVM has no code generator for {self.name}; install the apache-tvm wheel"
        return None

    def description(self) -> dict[str, object]:
        return {"kind": self.name, **self.options}

    def refusal(self, function: Any) -> str | None:
        return refusal_of_dtypes(function, SCALARS) or refusal_of_device_memory(function)

    def prepare(self, module: Any) -> Any:
        function = module["main"]
        body = as_kernel(function.body)
        return rewrite.with_function(
            module, module.get_global_var("main"), function.with_body(body)
        )

    def generate(self, lowered: Any) -> str:
        """The source of all kernels.

        Raises:
            CompilerRejected: it breaks one of the rules.
        """
        with raised_by_tvm():
            lowered = tirx.transform.SkipAssert()(lowered)
        split = split_kernels(lowered["main"], self._target)
        kernels = {
            symbol: part
            for symbol, part in split.functions.items()
            if LAUNCH_PARAMETERS in part.attrs
        }
        if not kernels:
            raise NotExpressible("nothing is left of the program in a kernel")
        module = ir.IRModule(kernels)
        build = tvm.get_global_func(f"target.build.{self.name}")
        with raised_by_tvm():
            module = tirx.transform.LowerIntrin()(tirx.transform.LowerWarpMemory()(module))
        target = self._target
        with raised_by_tvm():
            source = str(build(module, target).inspect_source())
        if self.name in LANGUAGES:
            self._reject(
                LANGUAGES[self.name], broken_rule(source, threads=_threads(lowered["main"]) != 1)
            )
        return source

    def build(self, lowered: Any) -> None:
        """Generate the source, and have it checked; it can't be run here."""
        source = self.generate(lowered)
        compiler = COMPILERS.get(self.name)
        if compiler is not None and compiler.find() is not None:
            self._reject(compiler.name, compiler.check(source))

    def unchecked(self) -> str | None:
        """None, or which compiler is missing here to check the source."""
        compiler = COMPILERS.get(self.name)
        if compiler is None or compiler.find() is not None:
            return None
        return f"{compiler.name} is not installed, and rules alone check {compiler.language}"

    def _reject(self, judge: str, diagnostic: str | None) -> None:
        if diagnostic is not None:
            raise CompilerRejected(f"{judge}: {diagnostic}")

    @cached_property
    def _target(self) -> Any:
        if self.name == "rocm":
            _generate_without_rocm()
        return tvm.target.Target(self.description())


def make(row: TargetRow) -> Source:
    """The target of a row of the table."""
    return Source(row)


def _threads(function: Any) -> int | None:
    """How many threads a group has, or None where that is not constant."""
    extents = {
        str(node.node.thread_tag): node.value
        for node in compat.nodes(function.body)
        if compat.type_key(node) == "AttrStmt" and str(node.attr_key) == "thread_extent"
    }
    mine = [extent for tag, extent in extents.items() if tag.startswith("threadIdx")]
    if not all(isinstance(extent, compat.IntImm) for extent in mine):
        return None
    return math.prod(int(extent) for extent in mine)


def _generate_without_rocm() -> None:
    """Leave out what only an installation of ROCm has: its library of functions, and its linker."""
    import tvm.support.rocm  # noqa: F401  registers its own, which would come later else

    register = tvm_ffi.register_global_func
    register("tvm_callback_rocm_bitcode_path", lambda *_: [], override=True)
    register("tvm_callback_rocm_link", lambda object_code: object_code, override=True)
