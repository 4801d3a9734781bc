"""The space of WebGPU kernels, as tables.

What bounds it: at most 256 threads a workgroup, vectors of four float32 in WGSL, no grid in z that
TVM would use, and registers that a thread's tile must fit into. Sizes that a tile doesn't divide
overlap at the end as they do on WebAssembly, so that no thread needs a guard.

The tables are in static order, best guess first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import tvm
from tvm import tirx
from tvm.s_tir import dlight

from harness import compat
from harness.ir.loop_kinds import SERIAL, UNROLLED, VECTORIZED
from harness.targets.invocations import as_kernel
from harness.targets.webgpu import MAX_GRID, MAX_THREADS, MAX_WORKGROUP_STORAGE
from jitweb.compare import SHORT_TOLERANCE
from jitweb.errors import NotEquations
from jitweb.extent import Extent, at_length, ceil_div, is_multiple
from jitweb.space import emit, halves
from jitweb.space.approximate import approximate
from jitweb.space.blockings import Blocking, blockings
from jitweb.space.candidate import Candidate, Kernel, Value
from jitweb.space.emit import LANES
from jitweb.space.equations import Equation, loads
from jitweb.space.group_rows import GroupRows, group_sizes
from jitweb.space.held import with_held_values
from jitweb.space.matmul import ELEMENTS, MatmulBuilder, Tiling, at_place, fitting
from jitweb.space.matmul_equations import Matmul, read_matmul
from jitweb.space.rows import Rows, RowsBuilder, read_rows
from jitweb.space.tiled_matmul import TiledMatmul
from jitweb.space.webgpu_functions import FUNCTIONS

# A thread's tile of C, rows x columns: more of both is less to load for each multiply-add, until
# the accumulators no longer fit into registers.
TILES = ((4, 8), (8, 8), (8, 4), (4, 4), (2, 8), (1, 4))
# Threads of a workgroup, along columns x along rows.
GROUPS = ((8, 8), (16, 4), (32, 1), (4, 4), (16, 16))
# How many of the first points are tried with halves by each use, and then without.
MOST_WITH_HALVES = {halves.LOAD: 30, halves.MULTIPLY: 12}
MOST_BESIDE_HALVES = 5
# Threads of a workgroup where each has a row, or a vector, of its own.
ROW_GROUPS = (64, 32, 16, 128, 256)


def webgpu_candidates(
    function: Any,
    constants: frozenset[int],
    limits: Mapping[str, int],
    features: Collection[str] = (),
    *,
    is_software: bool = False,
) -> list[Candidate]:
    """The candidates for a PrimFunc, best guess first; at most 64.

    `limits` and `features` are the device's, by WebGPU's names. For software adapters there are
    no kernels with workgroup memory: to them it is memory like any other, and barriers are slow.
    Nor are there for open lengths: tiles have constant sizes.
    """
    most = limits.get("maxComputeInvocationsPerWorkgroup", MAX_THREADS)
    storage = limits.get("maxComputeWorkgroupStorageSize", MAX_WORKGROUP_STORAGE)
    uses = halves.USES if halves.FEATURE in features else ()
    shares = not is_software and not emit.lengths_of(function)
    found = _of_family(function, most, storage if shares else 0, uses)
    return [*found, Candidate("plain", {}, lambda: _plain(function))]


def _of_family(function: Any, most: int, storage: int, uses: Sequence[str]) -> list[Candidate]:
    try:
        matmul = read_matmul(function)
    except NotEquations:
        pass
    else:
        tiled = _tiled(matmul, most, storage) if storage else ()
        return [*tiled, *_matmuls(matmul, most, uses)]
    try:
        rows = read_rows(function)
    except NotEquations:
        return []
    if rows.has_reductions:
        return [*(_group_rows(rows, most) if storage else ()), *_rows(rows, most)]
    return list(_elements(rows, most))


def _plain(function: Any) -> Kernel:
    """The function as the importer left it: slow, and there for what nothing else can do.

    By TVM's own schedule for whatever it may be; where that keeps values between its grids, which
    WebGPU has no memory for, by one invocation.
    """
    if emit.lengths_of(function):
        raise NotEquations("a plain kernel takes no length")
    function = approximate(function, FUNCTIONS)
    with tvm.target.Target({"kind": "webgpu"}):
        module = tvm.IRModule({"main": function})
        scheduled = dlight.ApplyDefaultSchedule(dlight.gpu.Fallback())(module)["main"]
    if not scheduled.body.block.alloc_buffers:
        return Kernel(scheduled)
    return Kernel(function.with_body(as_kernel(function.body)))


def _tiled(matmul: Matmul, most: int, storage: int) -> Iterator[Candidate]:
    for blocking in blockings(matmul, most, storage):
        point: dict[str, Value] = {
            "tile": f"{blocking.rows}x{blocking.columns}",
            "group": f"{blocking.x}x{blocking.y}",
            "depth": blocking.depth,
        }
        yield Candidate("tiled", point, _tiled_kernel(matmul, blocking))


def _tiled_kernel(matmul: Matmul, blocking: Blocking) -> Any:
    return lambda: Kernel(with_held_values(TiledMatmul(matmul, blocking).function()))


def _matmuls(matmul: Matmul, most: int, uses: Sequence[str]) -> Iterator[Candidate]:
    """The candidates; where a weight's words can be read as halves, those that do so first."""
    points = list(_points(matmul, most))
    shorts = {use: halves.with_halves(matmul, use == halves.MULTIPLY) for use in uses}
    known = {use: short for use, short in shorts.items() if short is not None}
    plain = [_candidate(matmul, *point) for point in points]
    for use, short in known.items():
        for point, fallback in list(zip(points, plain, strict=True))[: MOST_WITH_HALVES[use]]:
            yield _candidate(short, *point, use, fallback)
    yield from plain[: MOST_BESIDE_HALVES if known else len(plain)]


def _points(matmul: Matmul, threads: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Tiles of rows x columns, and groups of threads along columns x along rows."""
    most = int(matmul.rows)
    tiles = [(min(rows, most), fitting(columns, matmul.columns)) for rows, columns in TILES]
    for rows, columns in dict.fromkeys(tiles):
        groups = [
            (
                min(x, int(ceil_div(matmul.columns, columns))),
                min(y, int(ceil_div(matmul.rows, rows))),
            )
            for x, y in GROUPS
            if x * y <= threads
        ]
        for group in dict.fromkeys(groups):
            yield (rows, columns), group


def _candidate(
    matmul: Matmul,
    tile: tuple[int, int],
    group: tuple[int, int],
    use: str = "",
    fallback: Candidate | None = None,
) -> Candidate:
    point: dict[str, Value] = {"tile": "x".join(map(str, tile)), "group": "x".join(map(str, group))}
    if use:
        point["halves"] = use
    tiling = Tiling(*tile, "columns", "none")
    tolerance = SHORT_TOLERANCE if use == halves.MULTIPLY else None
    build = _matmul(matmul, tiling, *group, use == halves.MULTIPLY)
    return Candidate("matmul", point, build, fallback, tolerance)


def _matmul(matmul: Matmul, tiling: Tiling, x: int, y: int, is_short: bool) -> Any:
    return lambda: Kernel(with_held_values(_GpuMatmul(matmul, tiling, x, y, is_short).function()))


class _GpuMatmul(MatmulBuilder):
    functions = FUNCTIONS
    within_word = SERIAL

    @property
    def divisions(self) -> tuple[int, ...]:
        """Where they divide k: a remainder would have the tile's code again."""
        steps = self.matmul.steps
        return () if any(self.matmul.depth % step for step in steps) else steps

    def over_k(self, make: Callable[[Any], Any]) -> Any:
        """A statement for each k, in nested loops where it counts through several variables.

        The innermost is over the elements of words where the left side is a packed weight.
        """
        if len(self.matmul.sum.reduced) == 1:
            return super().over_k(make)
        *outer, extent = self.matmul.k_extents.values()
        k, step, within = [emit.index("k") for _ in outer], emit.index("k"), emit.index("within")
        is_divided = self.matmul.has_packed_rows and extent % ELEMENTS == 0
        count = ELEMENTS if is_divided else 1
        body = emit.loop(within, count, make([*k, step * count + within]), UNROLLED)
        return emit.loops([*k, step], [*outer, extent // count], body)

    def __init__(
        self, matmul: Matmul, tiling: Tiling, x: int, y: int, is_short: bool = False
    ) -> None:
        """`is_short`: products are of float16."""
        super().__init__(matmul, tiling, LANES)
        self.x, self.y = x, y
        self.dtype = "float16" if is_short else "float32"

    def function(self) -> Any:
        """Workgroups over the tiles; those of all batches lie along y."""
        blocks_x = ceil_div(self.column_tiles, self.x)
        blocks_y = ceil_div(self.row_tiles, self.y)
        block_x, block_y = emit.index("block_x"), emit.index("block_y")
        thread_x, thread_y = emit.index("thread_x"), emit.index("thread_y")
        grid_x, grid_y = blocks_x, blocks_y * self.batches
        if grid_y <= MAX_GRID:
            column_block = block_x
            number, row_block = emit.row_major(block_y, (self.batches, blocks_y))
        else:  # along x, where a grid has no limit
            grid_x, grid_y = blocks_x * self.batches, blocks_y
            number, column_block = emit.row_major(block_x, (self.batches, blocks_x))
            row_block = block_y
        row_tile = _clamped(row_block * self.y + thread_y, self.row_tiles, self.y)
        column_tile = _clamped(column_block * self.x + thread_x, self.column_tiles, self.x)
        if emit.lengths_in((self.batches, blocks_x, blocks_y)):  # the grid may be that of the most
            number = tirx.min(number, emit.constant(self.batches) - 1)
        body = self.tiled(emit.row_major(number, self.matmul.batch), row_tile, column_tile)
        for var, extent, tag in (
            (thread_x, self.x, "threadIdx.x"),
            (thread_y, self.y, "threadIdx.y"),
            (block_x, grid_x, "blockIdx.x"),
            (block_y, grid_y, "blockIdx.y"),
        ):
            body = emit.bound(var, extent, tag, body)
        return emit.function(self.parameters, body)

    def step(
        self, batch: list[Any], row_tile: Any, column_tile: Any, total: Any, k: Any
    ) -> tuple[Any, list[Any]]:
        """Every element of A and B is loaded once; TVM would load it for each use."""
        rows, columns = self.tiling.rows, self.tiling.columns
        lefts = emit.local("left", (rows,), self.dtype)
        rights = emit.local("right", (columns,), self.dtype)
        i, v, j = emit.index("i_left"), emit.index("v_right"), emit.index("j_right")
        load_left = emit.store(lefts, self.left(batch, row_tile, i, k).astype(self.dtype), i)
        column = v * self.lanes + j
        right = self.right(batch, column_tile, column, k).astype(self.dtype)
        load_right = emit.store(rights, right, column)
        loads = [
            emit.loop(i, rows, load_left, UNROLLED),
            emit.loop(
                v,
                columns // self.lanes,
                emit.loop(j, self.lanes, load_right, self._kind_of_load()),
                UNROLLED,
            ),
        ]

        def product(i: Any, j: Any) -> Any:
            factors = emit.load(lefts, i) * emit.load(rights, j)
            added = emit.load(total, i, j) + factors.astype("float32")
            return emit.store(total, added, i, j)

        return emit.sequence([*loads, self.each("sum", product)]), [lefts, rights]

    def _kind_of_load(self) -> int:
        """Vectors, unless each element is loaded by a condition of its own, as beside a padding, or
        cut from a word: TVM has no vectors of shifts.
        """
        calls = [each for each in compat.nodes(self.matmul.right) if isinstance(each, compat.Call)]
        is_guarded = any(compat.call_name(each) == "if_then_else" for each in calls)
        return UNROLLED if is_guarded or self.matmul.steps else VECTORIZED

    def finish(
        self, batch: list[Any], row_tile: Any, column_tile: Any, total: Any, rows_kind: Any
    ) -> list[Any]:
        """The values first, then their stores: TVM would compute a vector for each of its lanes.

        Values of another type than the sum's are stored one by one: TVM has no vectors of them.
        """
        if str(self.matmul.epilogue.buffer.ty.dtype) != str(total.ty.dtype):
            i, j = emit.index("i_end"), emit.index("j_end")
            place = self.place(batch, row_tile, column_tile, i, j)
            value = self.value(place, emit.load(total, i, j))
            one = emit.store(self.matmul.epilogue.buffer, value, *place)
            inner = emit.loop(j, self.tiling.columns, one, UNROLLED)
            return [emit.loop(i, self.tiling.rows, inner, rows_kind)]

        def changed(i: Any, j: Any) -> Any:
            place = self.place(batch, row_tile, column_tile, i, j)
            return emit.store(total, self.value(place, emit.load(total, i, j)), i, j)

        def stored(i: Any, j: Any) -> Any:
            place = self.place(batch, row_tile, column_tile, i, j)
            return emit.store(self.matmul.epilogue.buffer, emit.load(total, i, j), *place)

        return [self.each("end", changed, rows_kind), self.each("out", stored, rows_kind)]


def _clamped(tile: Any, tiles: int, group: int) -> Any:
    """The tile, or the last one for threads beyond it, which then do what another does as well."""
    is_whole = not isinstance(tiles, Extent) and tiles % group == 0
    return tile if is_whole else tirx.min(tile, emit.constant(tiles) - 1)


def _group_rows(rows: Rows, most: int) -> Iterator[Candidate]:
    for group in group_sizes(rows, most):
        yield Candidate("group-rows", {"group": group}, _group_rows_kernel(rows, group))


def _group_rows_kernel(rows: Rows, group: int) -> Any:
    return lambda: Kernel(with_held_values(GroupRows(rows, group).function()))


def _rows(rows: Rows, most: int) -> Iterator[Candidate]:
    for group in ROW_GROUPS:
        if group <= most:
            yield Candidate("rows", {"group": group}, _row_kernel(rows, group))


def _row_kernel(rows: Rows, group: int) -> Any:
    return lambda: Kernel(with_held_values(_GpuRows(rows, LANES).threads(group)))


class _GpuRows(RowsBuilder):
    functions = FUNCTIONS
    vector_dtypes = ("float32",)

    def threads(self, group: int) -> Any:
        """A thread for each row."""
        count = emit.product(self.rows.extents)
        block, thread = emit.index("block"), emit.index("thread")
        row = _clamped(block * group + thread, count, group)
        body = emit.bound(thread, group, "threadIdx.x", self.row(row))
        body = emit.bound(block, ceil_div(count, group), "blockIdx.x", body)
        return emit.function(self.rows.system.parameters, body)


def _elements(rows: Rows, most: int) -> Iterator[Candidate]:
    for group in ROW_GROUPS:
        if group <= most:
            yield Candidate("elements", {"group": group}, _element_kernel(rows, group))


def _element_kernel(rows: Rows, group: int) -> Any:
    return lambda: Kernel(with_held_values(_elementwise(rows, group)))


def _elementwise(rows: Rows, group: int) -> Any:
    """A thread for each vector of an output; outputs one after another, each a grid of its own."""
    bodies = []
    for equation in rows.system.equations:
        extents = equation.extents or (1,)
        width = LANES if extents[-1] >= LANES and _is_float(equation) else 1
        if width > at_length(extents[-1], 1):
            width = 1  # which is less than a vector at some lengths
        steps = ceil_div(extents[-1], width)
        count = emit.product(extents[:-1]) * steps
        block, thread, lane = emit.index("block"), emit.index("thread"), emit.index("lane")
        flat = _clamped(block * group + thread, count, group)
        *at, step = emit.row_major(flat, (*extents[:-1], steps))
        start = step * width
        if not is_multiple(extents[-1], width):
            start = tirx.min(start, emit.constant(extents[-1] - width))
        place = [*at, start + lane] if width > 1 else [*at, start]
        place = place[: len(equation.extents)]  # a scalar has none
        value = approximate(
            at_place(equation.value, dict(zip(equation.spatial, place, strict=True))), FUNCTIONS
        )
        body = emit.store(equation.buffer, value, *place)
        if width > 1:
            body = emit.loop(lane, width, body, VECTORIZED)
        body = emit.bound(thread, group, "threadIdx.x", body)
        bodies.append(emit.bound(block, ceil_div(count, group), "blockIdx.x", body))
    return emit.function(rows.system.parameters, emit.sequence(bodies))


def _is_float(equation: Equation) -> bool:
    """Whether all that an equation computes with is float32, as WGSL's vectors should hold."""
    dtypes = {
        str(equation.buffer.ty.dtype),
        *(compat.dtype_of(load) for load in loads(equation.value)),
    }
    return dtypes == {"float32"}
