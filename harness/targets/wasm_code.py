"""The code of a tuner's kernel: by our emitter, or, for what that doesn't cover, by LLVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.targets.wasm import Lowered, WasmOptions, build_object, lower
from harness.wasm.emit.module import emit
from harness.wasm.emit.program import NotCovered
from harness.wasm.object_file import ObjectFile


@dataclass(frozen=True)
class WasmCode:
    """A lowered kernel and what compiles it.

    `refused` is what the emitter doesn't cover, "" where nothing is; `opt_level` is LLVM's.
    """

    lowered: Lowered
    is_direct: bool
    opt_level: int
    refused: str = ""

    def compiled(self, name: str, *, relaxed: bool) -> bytes | ObjectFile:
        """An object for the linker, with the kernel under this name.

        Raises:
            RaisedByTVM: TVM's LLVM code generator raised.
        """
        if self.is_direct:
            return emit(name, self.lowered.function, relaxed=relaxed)
        options = WasmOptions(relaxed, self.opt_level)
        return build_object({name: self.lowered.function}, options)


def compile_kernel(
    name: str, function: Any, *, direct: bool, opt_level: int = 1
) -> tuple[WasmCode, bytes | ObjectFile]:
    """The code of a function, and an object of it with relaxed SIMD.

    `direct` says whether the emitter is to be tried first.

    Raises:
        RaisedByTVM: a pass or the code generator raised.
    """
    refused = ""
    if direct:
        code = WasmCode(lower(function, for_llvm=False), True, opt_level)
        try:
            return code, code.compiled(name, relaxed=True)
        except NotCovered as missing:
            refused = str(missing)
    code = WasmCode(lower(function), False, opt_level, refused)
    return code, code.compiled(name, relaxed=True)
