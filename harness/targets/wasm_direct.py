"""WebAssembly by our own emitter (`harness/wasm/emit/`), in Node: fuzzed as TVM's targets are."""

from __future__ import annotations

from typing import Any

from harness.targets.executable import NotExpressible
from harness.targets.table import TargetRow
from harness.targets.web import ENTRY, Wasm
from harness.wasm.emit.module import emit
from harness.wasm.emit.program import NotCovered
from harness.wasm.object_file import ObjectFile


class WasmDirect(Wasm):
    """What the emitter doesn't cover isn't expressible; anything else is its own to get right."""

    name = "wasm-direct"

    def object_of(self, function: Any) -> tuple[ObjectFile, int]:
        try:
            emitted = emit(ENTRY, function, relaxed=False)
            assert emitted.rows is not None, "the loops of rows have constant extents"
            return emitted.code, emitted.rows
        except NotCovered as missing:
            raise NotExpressible(f"the emitter doesn't cover {missing}") from None


def make(row: TargetRow) -> WasmDirect:
    """The target of its row of the table."""
    return WasmDirect()
