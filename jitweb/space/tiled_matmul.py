"""Matmul kernels for GPUs with tiles of both factors in workgroup memory.

A workgroup computes a tile of C. For each step of k its invocations copy the tiles of A and B that
it takes, a vec4 at a time, and then each multiplies what its own part of the tile needs: an element
is loaded from global memory once a workgroup, and from workgroup memory once an invocation. While
they multiply, the next step's loads are in flight, in registers.

A's tile has a row for each row of C, B's one for each k. A factor that lies the other way round in
memory is turned in blocks of 4x4, in registers. An invocation's rows, and its vectors of columns,
are as far apart as the group is wide, so that neighbours read, and store, neighbouring vectors.
Rows of A's tile are a vector longer than they need be, so that they begin at different banks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import tirx

from harness.ir.loop_kinds import SERIAL, UNROLLED, VECTORIZED
from harness.targets.webgpu import MAX_GRID
from jitweb.space import emit
from jitweb.space.blockings import Blocking, along_k
from jitweb.space.emit import LANES
from jitweb.space.matmul import MatmulBuilder, Tiling
from jitweb.space.matmul_equations import Matmul
from jitweb.space.webgpu_functions import FUNCTIONS

VECTOR = f"float32x{LANES}"


class TiledMatmul(MatmulBuilder):
    """Builds the kernel of one blocking, which must fit."""

    functions = FUNCTIONS

    def __init__(self, matmul: Matmul, blocking: Blocking) -> None:
        super().__init__(matmul, Tiling(blocking.rows, blocking.columns, "columns", "none"), LANES)
        self.blocking = blocking
        sides = along_k(matmul)
        assert sides is not None
        self.left_along_k, self.right_along_k = sides
        rows, columns = blocking.tile
        self.lefts = _Tile("lefts", rows, blocking.depth, blocking.depth + LANES)
        self.rights = _Tile("rights", blocking.depth, columns, columns)
        self.thread_x, self.thread_y = emit.index("thread_x"), emit.index("thread_y")
        self.thread = self.thread_y * blocking.x + self.thread_x
        self.block_row: Any = None
        self.block_column: Any = None

    def function(self) -> Any:
        """Workgroups over the tiles; those of all batches lie along y."""
        (rows, columns), matmul = self.blocking.tile, self.matmul
        blocks_x, blocks_y = -(-matmul.columns // columns), -(-matmul.rows // rows)
        block_x, block_y = emit.index("block_x"), emit.index("block_y")
        grid_x, grid_y = blocks_x, blocks_y * self.batches
        column_block = block_x
        number, row_block = emit.row_major(block_y, (self.batches, blocks_y))
        if grid_y > MAX_GRID:  # along x, where a grid has no limit
            grid_x, grid_y = blocks_x * self.batches, blocks_y
            number, column_block = emit.row_major(block_x, (self.batches, blocks_x))
            row_block = block_y
        self.block_row = _start(row_block, rows, matmul.rows)
        self.block_column = _start(column_block, columns, matmul.columns)
        body = self._block(emit.row_major(number, matmul.batch))
        for var, extent, tag in (
            (self.thread_x, self.blocking.x, "threadIdx.x"),
            (self.thread_y, self.blocking.y, "threadIdx.y"),
            (block_x, grid_x, "blockIdx.x"),
            (block_y, grid_y, "blockIdx.y"),
        ):
            body = emit.bound(var, extent, tag, body)
        return emit.function(self.parameters, body)

    def _block(self, batch: list[Any]) -> Any:
        blocking, steps = self.blocking, self.matmul.depth // self.blocking.depth
        rows, vectors = blocking.rows, blocking.columns // LANES
        total = emit.local("total", (rows, vectors), VECTOR)
        tile = emit.local("tile", (rows, blocking.columns))
        copies = [self._copy_left(batch), self._copy_right(batch)]
        zero = tirx.Broadcast(tirx.FloatImm("float32", 0.0), LANES)
        start = _each(rows, vectors, lambda i, v: emit.store(total, zero, i, v))
        step = emit.index("step")
        following = tirx.min(step + 1, emit.constant(steps - 1)) * blocking.depth
        products, held = self._products(total)
        body = emit.sequence(
            [
                *(copy.put() for copy in copies),
                *(copy.fetch(following) for copy in copies if steps > 1),
                products,
            ]
        )
        keep = _each(
            rows,
            vectors,
            lambda i, v: tirx.BufferStore(
                tile,
                emit.load(total, i, v),
                [i, tirx.Ramp(v * LANES, emit.constant(1), LANES)],
            ),
        )
        locals_ = [
            self.lefts.buffer,
            self.rights.buffer,
            total,
            tile,
            *held,
            *(copy.held for copy in copies),
        ]
        return emit.with_locals(
            locals_,
            emit.sequence(
                [
                    start,
                    *(copy.fetch(emit.constant(0)) for copy in copies),
                    emit.loop(step, steps, body),
                    keep,
                    *self._finish(batch, tile),
                ]
            ),
        )

    def _copy_left(self, batch: list[Any]) -> _Copy:
        last = self.matmul.rows - 1

        def element(row: Any, k: Any) -> Any:
            row = self.block_row + row
            if self.matmul.rows < self.blocking.tile[0]:
                row = tirx.min(row, emit.constant(last))
            return self._left(batch, row, k)

        return _Copy(self, self.lefts, element, not self.left_along_k, k_axis=1)

    def _copy_right(self, batch: list[Any]) -> _Copy:
        def element(k: Any, column: Any) -> Any:
            return self._right(batch, self.block_column + column, k)

        return _Copy(self, self.rights, element, self.right_along_k, k_axis=0)

    def _products(self, total: Any) -> tuple[Any, list[Any]]:
        """Statements that multiply the tiles in workgroup memory, and their buffers."""
        blocking = self.blocking
        vectors = blocking.columns // LANES
        left = emit.local("left", (blocking.rows,), VECTOR)
        right = emit.local("right", (vectors,), VECTOR)
        part, i, v = emit.index("part"), emit.index("i_left"), emit.index("v_right")
        statements = [
            emit.loop(
                i,
                blocking.rows,
                emit.store(
                    left, self.lefts.vector(self.thread_y + i * blocking.y, part * LANES), i
                ),
                UNROLLED,
            )
        ]
        for within in range(LANES):
            k, column = part * LANES + within, (v * blocking.x + self.thread_x) * LANES
            load = emit.store(right, self.rights.vector(k, column), v)
            statements.append(emit.loop(v, vectors, load, UNROLLED))

            def product(i: Any, v: Any, within: int = within) -> Any:
                factor = tirx.Shuffle([emit.load(left, i)], [emit.constant(within)])
                added = tirx.Broadcast(factor, LANES) * emit.load(right, v)
                return emit.store(total, emit.load(total, i, v) + added, i, v)

            statements.append(_each(blocking.rows, vectors, product))
        return (
            emit.loop(part, blocking.depth // LANES, emit.sequence(statements)),
            [left, right],
        )

    def _finish(self, batch: list[Any], tile: Any) -> list[Any]:
        """The epilogue, and the stores, of each vector."""
        blocking, matmul = self.blocking, self.matmul
        output = matmul.epilogue.buffer
        is_float = str(output.ty.dtype) == "float32"
        kind = VECTORIZED if is_float else UNROLLED

        def place(i: Any, v: Any, lane: Any) -> list[Any]:
            row = self.block_row + self.thread_y + i * blocking.y
            if matmul.rows < blocking.tile[0]:
                row = tirx.min(row, emit.constant(matmul.rows - 1))
            column = self.block_column + (v * blocking.x + self.thread_x) * LANES + lane
            return matmul.place(batch, row, column)

        def changed(i: Any, v: Any) -> Any:
            lane = emit.index("lane_end")
            value = self.value(place(i, v, lane), emit.load(tile, i, v * LANES + lane))
            kept = emit.store(tile, value, i, v * LANES + lane)
            if not is_float:
                kept = emit.store(output, value, *place(i, v, lane))
            return emit.loop(lane, LANES, kept, kind)

        def stored(i: Any, v: Any) -> Any:
            lane = emit.index("lane_out")
            value = emit.load(tile, i, v * LANES + lane)
            return emit.loop(lane, LANES, emit.store(output, value, *place(i, v, lane)), kind)

        extents = (blocking.rows, blocking.columns // LANES)
        # One copy of a long epilogue's code, in a loop that compilers for GPUs unroll.
        rows_kind = SERIAL if matmul.has_heavy_epilogue else UNROLLED
        ends = [_each(*extents, changed, rows_kind)]
        return [*ends, _each(*extents, stored, rows_kind)] if is_float else ends


class _Tile:
    """A tile of a factor in workgroup memory. One dimension, as TVM drops what no row uses."""

    def __init__(self, name: str, rows: int, columns: int, stride: int) -> None:
        self.rows, self.columns, self.stride = rows, columns, stride
        self.buffer = tirx.decl_buffer([rows * stride], "float32", name=name, scope="shared")

    def vector(self, row: Any, column: Any) -> Any:
        place = tirx.Ramp(row * self.stride + column, emit.constant(1), LANES)
        return tirx.BufferLoad(self.buffer, [place])

    def store(self, value: Any, row: Any, column: Any) -> Any:
        return emit.store(self.buffer, value, row * self.stride + column)


class _Copy:
    """The copying of a factor's tile: `fetch` into registers, `put` into workgroup memory.

    With `is_turned` the tile's rows lie across those in memory.
    """

    def __init__(
        self,
        kernel: TiledMatmul,
        tile: _Tile,
        element: Callable[[Any, Any], Any],
        is_turned: bool,
        k_axis: int,
    ) -> None:
        self.tile, self.element = tile, element
        self.is_turned, self.k_axis, self.thread = is_turned, k_axis, kernel.thread
        self.threads = kernel.blocking.x * kernel.blocking.y
        self.height = LANES if is_turned else 1  # vectors of a part
        self.parts = tile.rows * tile.columns // (LANES * self.height * self.threads)
        self.held = emit.local("fetched", (self.parts * self.height * LANES,))

    def _at(self, part: Any) -> tuple[Any, Any]:
        """Where a part begins in the tile; neighbours in memory are neighbours."""
        number = self.thread + part * self.threads
        if self.is_turned:
            across, along = _divided(number, self.tile.rows // LANES)
            return along * LANES, across * LANES
        row, vector = _divided(number, self.tile.columns // LANES)
        return row, vector * LANES

    def fetch(self, start: Any) -> Any:
        """Loads of the tile that begins at this k."""
        part, line, lane = emit.index("part"), emit.index("line"), emit.index("lane")
        row, column = self._at(part)
        place = [row + lane, column + line] if self.is_turned else [row, column + lane]
        place[self.k_axis] = start + place[self.k_axis]
        value = self.element(*place)
        body = emit.store(self.held, value, (part * self.height + line) * LANES + lane)
        body = emit.loop(lane, LANES, body, VECTORIZED)
        return emit.loops_of(((part, self.parts), (line, self.height)), body, UNROLLED)

    def put(self) -> Any:
        part, line, lane = emit.index("part"), emit.index("line"), emit.index("lane")
        row, column = self._at(part)
        if self.is_turned:
            held = emit.load(self.held, (part * self.height + lane) * LANES + line)
            body = self.tile.store(held, row + line, column + lane)
        else:
            held = emit.load(self.held, part * LANES + lane)
            body = self.tile.store(held, row, column + lane)
        body = emit.loop(lane, LANES, body, VECTORIZED)
        return emit.loops_of(((part, self.parts), (line, self.height)), body, UNROLLED)


def _divided(number: Any, by: int) -> tuple[Any, Any]:
    """The quotient and the rest."""
    return tirx.floordiv(number, emit.constant(by)), tirx.floormod(number, emit.constant(by))


def _start(block: Any, size: int, extent: int) -> Any:
    """Where a tile starts: the last one overlaps the one before."""
    start = block * emit.constant(size)
    if extent % size == 0:
        return start
    return tirx.min(start, emit.constant(max(0, extent - size)))


def _each(
    rows: int, vectors: int, make: Callable[[Any, Any], Any], rows_kind: int = UNROLLED
) -> Any:
    i, v = emit.index("i"), emit.index("v")
    return emit.loop(i, rows, emit.loop(v, vectors, make(i, v), rows_kind), rows_kind)
