"""The space of WebAssembly kernels, as tables.

What bounds it is WebAssembly's and V8's: vectors of four float32, sixteen vector registers on
x86-64 (a tile's accumulators, one row of B and a broadcast of A must fit, or V8 spills them), no
wider load than a vector, and no thread of its own to hide latency with.

The tables are in static order: what is best most often comes first, so that the first candidate is
the choice where nothing can be measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jitweb.errors import NotEquations
from jitweb.space.approximate import approximate
from jitweb.space.candidate import Candidate, Kernel, Value
from jitweb.space.convolution import ConvolutionBuilder
from jitweb.space.convolution_equations import Convolution, read_convolution, weight_position
from jitweb.space.emit import LANES
from jitweb.space.held import with_held_values
from jitweb.space.matmul import Tiling, build_matmul, fitting
from jitweb.space.matmul_equations import Matmul, read_matmul
from jitweb.space.rows import Rows, build_rows, read_rows

REGISTERS = 16
STACK_FLOATS = 8192  # half of a thread's stack
UNPACKED_FLOATS = 1 << 17  # of a packed weight's panel, in memory of the kernel's own
FEW_ROWS = 8  # for so many a packed weight may be made floats at each use, in registers

# Tiles of C in registers, rows x columns: see `registers`.
TILES = ((4, 8), (2, 16), (6, 8), (5, 8), (8, 4), (3, 8), (1, 16), (1, 32))
CONVOLUTION_TILES = ((8, 4), (4, 8), (6, 8), (2, 16), (1, 32), (1, 16))
FEW_CHANNELS = 3  # with so many, wide tiles come first
# Elements of the window that a block of a convolution reads: what the first-level cache holds, or
# the second, or half of it.
WINDOWS = (1 << 15, 1 << 16, 1 << 13)
# With "columns" outside, a panel of B stays in the first-level cache while all rows pass it; with
# "rows", a few rows of A do while all of B passes.
ORDERS = ("columns", "rows")
# Our emitter's code is made in a tenth of LLVM's time, and is faster but for a few kernels. LLVM's
# is there for the best guess, beside what the emitter doesn't cover.
DIRECT, BY_LLVM = CODES = ("direct", "llvm")
# Elements that a row kernel works on at once: more hides the latency of a sum's additions.
WIDTHS = (16, 8, 4)


def registers(rows: int, columns: int) -> int:
    """How many vector registers a tile takes: its accumulators, a row of B, a broadcast of A.

    With a single row no element of B is used twice, so that one register is enough for B.
    """
    wide = -(-columns // LANES)
    return rows * wide + (wide if rows > 1 else 1) + 1


def wasm_candidates(function: Any, constants: frozenset[int]) -> list[Candidate]:
    """The candidates for a PrimFunc, best guess first; at most 64.

    `constants` are the positions of the parameters that are weights at every call site.
    """
    found = _of_family(function, constants)
    others = [each for each in found if each.point["code"] == BY_LLVM]
    return [*(each for each in found if each not in others), *others[:1], *_plains(function)]


def _of_family(function: Any, constants: frozenset[int]) -> list[Candidate]:
    try:
        return list(_convolutions(read_convolution(function), constants))
    except NotEquations:
        pass
    try:
        return list(_matmuls(read_matmul(function), constants))
    except NotEquations:
        pass
    try:
        return list(_rows(read_rows(function)))
    except NotEquations:
        return []


def _plains(function: Any) -> list[Candidate]:
    """The function as the importer left it: slow, and there for what nothing else can do."""
    return [Candidate("plain", {"code": code}, _plain(function, code)) for code in CODES]


def _matmuls(matmul: Matmul, constants: frozenset[int]) -> Iterator[Candidate]:
    most = int(matmul.rows)
    tiles = [(min(rows, most), fitting(wide, matmul.columns)) for rows, wide in TILES]
    is_packed, known = bool(matmul.row_weights(constants)), bool(matmul.weights(constants))
    for rows, columns in dict.fromkeys(tiles):
        for order in ORDERS[1:] if is_packed else ORDERS:
            for pack in ("rows",) if is_packed else _packs(matmul, known, order, columns):
                for code in CODES:
                    tiling = Tiling(rows, columns, order, pack)
                    point: dict[str, Value] = {
                        "tile": f"{rows}x{columns}", "order": order, "pack": pack, "code": code,
                    }  # fmt: skip
                    yield Candidate("matmul", point, _matmul(matmul, tiling, code))


def _convolutions(convolution: Convolution, constants: frozenset[int]) -> Iterator[Candidate]:
    matmul = convolution.matmul
    weight = weight_position(matmul, constants)
    copied = "rows" if matmul.row_weights(constants) else "copy"
    pack = copied if weight is None else "weight"
    has_few = matmul.rows <= FEW_CHANNELS
    tiles = [
        (min(rows, matmul.rows), fitting(wide, matmul.columns))
        for rows, wide in CONVOLUTION_TILES[:: -1 if has_few else 1]
        if rows > 1 or has_few
    ]
    for rows, columns in dict.fromkeys(tiles):
        blocks: set[str] = set()
        for floats in WINDOWS:
            tiling = Tiling(rows, columns, "rows", pack)
            block = ConvolutionBuilder(convolution, tiling, floats, weight).block
            if block in blocks:
                continue
            blocks.add(block)
            for order in ORDERS[1:] if weight is None else ORDERS:
                for code in CODES:
                    chosen = replace(tiling, order=order)
                    point: dict[str, Value] = {
                        "tile": f"{rows}x{columns}", "block": block, "order": order,
                        "pack": tiling.pack, "code": code,
                    }  # fmt: skip
                    build = _convolution(convolution, chosen, floats, weight, code)
                    yield Candidate("convolution", point, build)


def _convolution(
    convolution: Convolution, tiling: Tiling, floats: int, weight: int | None, code: str
) -> Any:
    def build() -> Kernel:
        function, packings = ConvolutionBuilder(convolution, tiling, floats, weight).build()
        return Kernel(with_held_values(function), packings, code == DIRECT)

    return build


def _packs(matmul: Matmul, is_weight: bool, order: str, columns: int) -> tuple[str, ...]:
    """How B may come in: see Tiling."""
    is_packed, size = bool(matmul.steps), matmul.depth * columns
    if is_weight:
        if not is_packed:
            return ("weight",)
        once = ("unpack",) if matmul.rows > 1 and order == "columns" else ()
        if size > UNPACKED_FLOATS:
            return ("weight",)
        return (*once, "weight") if matmul.rows <= FEW_ROWS else once
    # A copied panel pays where all rows use it, and must fit on the stack.
    if order == "columns" and size <= (UNPACKED_FLOATS if is_packed else STACK_FLOATS):
        return ("copy", "none")
    return ("none",)


def _rows(rows: Rows) -> Iterator[Candidate]:
    for width in WIDTHS:
        for code in CODES:
            yield Candidate("rows", {"width": width, "code": code}, _row(rows, width, code))


def _matmul(matmul: Matmul, tiling: Tiling, code: str) -> Any:
    def build() -> Kernel:
        function, packings = build_matmul(matmul, tiling)
        return Kernel(with_held_values(function), packings, code == DIRECT)

    return build


def _row(rows: Rows, width: int, code: str) -> Any:
    return lambda: Kernel(with_held_values(build_rows(rows, width)), (), code == DIRECT)


def _plain(function: Any, code: str) -> Any:
    return lambda: Kernel(approximate(function), (), code == DIRECT)
