"""The code of a tuner's kernel: by our emitter, or, for what that doesn't cover, by LLVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.targets.wasm import WasmOptions, build_object, lower, lower_directly
from harness.wasm.emit.module import emit
from harness.wasm.emit.program import NotCovered
from harness.wasm.object_file import ObjectFile


@dataclass(frozen=True)
class WasmCode:
    """A lowered kernel, what it needs of its caller (see `Lowered`), and what compiles it.

    `refused` is what the emitter doesn't cover, "" where nothing is; `opt_level` is LLVM's.
    """

    function: Any
    rows: Any
    scratch: tuple[int, ...]
    is_direct: bool
    opt_level: int = 1
    refused: str = ""

    def compiled(self, name: str, *, relaxed: bool) -> bytes | ObjectFile:
        """An object for the linker, with the kernel under this name.

        Raises:
            RaisedByTVM: TVM's LLVM code generator raised.
        """
        if self.is_direct:
            return emit(name, self.function, relaxed=relaxed, has_open_rows=True).code
        return build_object({name: self.function}, WasmOptions(relaxed, self.opt_level))


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
        try:
            return _emitted(name, lower_directly(function))
        except NotCovered as missing:
            refused = str(missing)
    code = WasmCode(*lower(function), False, opt_level, refused)
    return code, code.compiled(name, relaxed=True)


def _emitted(name: str, lowered: Any) -> tuple[WasmCode, ObjectFile]:
    made = emit(name, lowered, relaxed=True, has_open_rows=True)
    return WasmCode(lowered, made.rows, made.scratch, True), made.code
