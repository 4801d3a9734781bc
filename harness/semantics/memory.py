"""Memory: compiles buffers, loads and stores, with their checks.

An allocation or buffer parameter is a `Storage`: a flat Python list of scalars, with `None` for an
element of an allocation that was never written. Where buffers of several dtypes share it (as after
StorageRewrite and FlattenBuffer), it is a bytearray with a typed memoryview for each dtype. A
buffer is a `View` of a storage, with shape, strides and offset; a match_buffer is a `View` of
another view.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness import compat
from harness.semantics import ranges
from harness.semantics.calls import CallCompiler
from harness.semantics.dtypes import NARROW_FLOATS, DType, parse
from harness.semantics.emitter import label
from harness.semantics.errors import Unsupported
from harness.semantics.ranges import Operand, constant

MAX_ALLOCATED_ELEMENTS = 1 << 22
# The value of elements that were never written, by the kind of dtype.
UNWRITTEN_NAMES = {"uint": "UNWRITTEN_UNSIGNED", "bool": "UNWRITTEN_BIT"}
# Dtypes that a memoryview reads as their bit pattern.
CODED = ("float16", "bfloat16", *NARROW_FLOATS)


@dataclass
class Storage:
    """The memory of one or more buffers. `name` is the Python variable that holds it."""

    name: str
    label: str
    dtype: DType
    size: Operand  # in scalars of its dtype
    is_bytes: bool
    allocated: bool
    tracks_accesses: bool = False
    concurrent_depth: int = 0  # the number of concurrent loops around the allocation
    typed: dict[str, str] = field(default_factory=dict)  # memoryviews of bytes, by dtype


@dataclass(frozen=True)
class View:
    """A buffer: `strides` are in elements, an element is `dtype.lanes` scalars."""

    key: int
    label: str
    dtype: DType
    shape: tuple[Operand, ...]
    strides: tuple[Operand, ...]
    offset: Operand
    storage: Storage
    window: tuple[View, tuple[Operand, ...]] | None = None
    # Accesses are checked against the storage instead of the shape. True for an alias of one
    # dimension: FlattenBuffer declares those of strided and offset buffers with too small a shape.
    bounded_by_storage: bool = False
    needs_size_check: bool = False  # the shape may reach beyond the storage


@dataclass(frozen=True)
class Region:
    """A declared read or write region of a block, resolved through match_buffers."""

    written: bool
    bounds: tuple[tuple[Operand, Operand], ...]  # minimum and extent of each dimension


@dataclass
class EnclosingBlock:
    """The declared regions of an enclosing block, by buffer, and the buffers declared inside it."""

    label: str
    regions: dict[int, list[Region]]
    own: set[int] = field(default_factory=set)


class MemoryCompiler(CallCompiler):
    """Compiles loads and stores; holds the views of the buffers in scope."""

    def __init__(self, perturbed: bool) -> None:
        super().__init__(perturbed)
        self.views: dict[int, View] = {}
        self.frames: list[EnclosingBlock] = []
        self.contexts: list[str] = ["0"]  # names of the current concurrency contexts
        self.stored: set[str] = set()  # names of the storages that the function writes
        self.decoded: set[str] = set()

    def view_of(self, buffer: Any) -> View:
        view = self.views.get(hash(buffer))
        if view is None:
            raise Unsupported(f"buffer {buffer.name} without a declaration")
        return view

    def layout(
        self, buffer: Any
    ) -> tuple[DType, tuple[Operand, ...], tuple[Operand, ...], Operand]:
        """The dtype, shape, strides and offset of a buffer.

        Raises:
            Unsupported: a layout object that is not row-major.
        """
        ty = buffer.ty
        if ty.layout is not None and not _is_trivial(ty.layout):
            raise Unsupported("a buffer with a layout")
        shape = tuple(self.atom(self.value(extent)) for extent in ty.shape)
        strides = tuple(self.atom(self.value(stride)) for stride in ty.strides)
        if not strides:
            running = constant(1)
            for extent in reversed(shape):
                strides = (running, *strides)
                running = ranges.multiply(running, extent)
        if len(strides) != len(shape):
            raise Unsupported("a buffer with more or fewer strides than dimensions")
        return parse(str(ty.dtype)), shape, strides, self.atom(self.value(ty.elem_offset))

    def declare(self, buffer: Any, storage: Storage, alias: bool = False) -> View:
        """Make the buffer a view of the storage; `alias`: another buffer owns the storage."""
        dtype, shape, strides, offset = self.layout(buffer)
        last = offset
        for extent, stride in zip(shape, strides, strict=True):
            last = ranges.add(last, ranges.multiply(ranges.subtract(extent, constant(1)), stride))
        scalars = constant(dtype.lanes * dtype.bytes)
        needed = ranges.multiply(ranges.add(last, constant(1)), scalars)
        available = ranges.multiply(storage.size, constant(storage.dtype.bytes))
        fits = last.low >= 0 and needed.high <= available.low
        by_storage = alias and len(shape) == 1
        view = View(
            hash(buffer), label(buffer.name), dtype, shape, strides, offset, storage, None,
            by_storage, by_storage or not fits,
        )  # fmt: skip
        if storage.is_bytes and dtype.scalar not in storage.typed:
            name = self.fresh("m")
            self.emit(f"{name} = memoryview({storage.name}).cast({dtype.memory_format!r})")
            storage.typed[dtype.scalar] = name
        self.views[view.key] = view
        for frame in self.frames:
            frame.own.add(view.key)
        return view

    def allocate(self, buffer: Any, is_bytes: bool, tracks_accesses: bool) -> Storage:
        """Emit an allocation whose elements are all unwritten, and declare the buffer."""
        dtype, shape, strides, offset = self.layout(buffer)
        elements = constant(1)
        for extent in shape:
            elements = ranges.multiply(elements, extent)
        if buffer.ty.strides and shape:
            elements = ranges.multiply(shape[0], strides[0])
        size = ranges.multiply(ranges.add(elements, offset), constant(dtype.lanes))
        if not 0 <= size.high <= MAX_ALLOCATED_ELEMENTS:
            raise Unsupported(f"an allocation of up to {size.high} elements")
        storage = Storage(
            self.fresh("b"), label(buffer.name), dtype, size, is_bytes, True, tracks_accesses,
            len(self.contexts) - 1,
        )  # fmt: skip
        if is_bytes:
            # A multiple of eight bytes, so that views of every dtype fit it.
            bytes_needed = f"({size.code} * {dtype.bytes} + 7) // 8 * 8"
            self.emit(f"{storage.name} = bytearray([(UNWRITTEN or 0) & 127]) * ({bytes_needed})")
            self.emit(f"w{storage.name} = bytearray([UNWRITTEN is not None]) * len({storage.name})")
        else:
            value = UNWRITTEN_NAMES.get(dtype.kind, "UNWRITTEN")
            self.emit(f"{storage.name} = [{value}] * {size.code}")
        self.start_history(storage)
        self.declare(buffer, storage)
        return storage

    def start_history(self, storage: Storage) -> None:
        """Emit the access history for race detection, if the storage has one."""
        if storage.tracks_accesses and not self.perturbed:
            name = storage.name
            self.emit(f"history_{name} = AccessHistory(K, len({name}), {storage.label!r})")
            self.emit(
                f"writer_{name}, reader_{name} = history_{name}.writer, history_{name}.reader"
            )

    # Access

    def _BufferLoad(self, node: Any) -> Operand:
        if compat.access_predicate(node) is not None:
            raise Unsupported("a load with a predicate")
        view = self.view_of(compat.load_buffer(node))
        place = self.place(view, node.indices, self.dtype(node).lanes, written=False)
        storage = view.storage
        code = self._stored_code(view, place.code)
        if storage.allocated:
            return self._written_only(view, place, code)
        return ranges.unknown(code, parse(view.dtype.scalar))

    def _stored_code(self, view: View, place: str) -> str:
        storage = view.storage
        if not storage.is_bytes:
            return f"{storage.name}[{place}]"
        code = f"{storage.typed[view.dtype.scalar]}[{place}]"
        return f"decode_{view.dtype.scalar}({code})" if view.dtype.scalar in CODED else code

    def _written_only(self, view: View, place: Operand, code: str) -> Operand:
        storage = view.storage
        dtype = parse(view.dtype.scalar)
        failure = f"undefined('unwritten-read', 'a read of {view.label} before it is written')"
        if storage.is_bytes:
            first = f"({place.code}) * {dtype.bytes}"
            self.emit(f"if not w{storage.name}[{first}]: {failure}")
            return ranges.unknown(code, dtype)
        name = self.temporary(code)
        self.emit(f"if {name} is None: {failure}")
        return ranges.unknown(name, dtype)

    def store(self, view: View, place: Operand, value: str) -> None:
        """Emit the store of a scalar at a position that `place` returned."""
        storage, dtype = view.storage, view.dtype
        self.stored.add(storage.name)
        if not storage.is_bytes:
            self.emit(f"{storage.name}[{place.code}] = {value}")
            return
        if dtype.scalar in CODED:
            value = f"encode_{dtype.scalar}({value})"
        self.emit(f"{storage.typed[dtype.scalar]}[{place.code}] = {value}")
        if storage.allocated:
            start = f"({place.code}) * {dtype.bytes}"
            self.emit(f"w{storage.name}[{start}:{start} + {dtype.bytes}] = {b'1' * dtype.bytes!r}")

    def place(self, view: View, indices: Any, lanes: int, written: bool) -> Operand:
        """Emit the checks of an access; returns the scalar's position in the storage."""
        if lanes % view.dtype.lanes:
            raise Unsupported("an access of part of a vector element")
        inner = constant(0)
        if view.dtype.lanes > 1:
            inner = ranges.floor_modulo(self.current_lane(), constant(view.dtype.lanes))
            outer = ranges.floor_divide(self.current_lane(), constant(view.dtype.lanes))
            with self.at_lane(outer):
                values = [self.value(index) for index in indices]
        else:
            values = [self.value(index) for index in indices]
        base, values = self._through_windows(view, values)
        if not self.perturbed:
            self._check_declared(base, values, written)
        place = base.offset
        for index, stride in zip(values, base.strides, strict=True):
            place = ranges.add(place, ranges.multiply(index, stride))
        place = ranges.add(ranges.multiply(place, constant(base.dtype.lanes)), inner)
        if base.needs_size_check:
            place = self._check_size(base, place)
        return self._check_race(base, place, written)

    def _through_windows(self, view: View, indices: list[Operand]) -> tuple[View, list[Operand]]:
        """The buffer behind all match_buffers and the indices there, checked at every step."""
        if len(indices) != len(view.shape):
            raise Unsupported(f"{len(indices)} indices for {len(view.shape)} dimensions")
        checked = [
            self._check_bounds(view, dimension, index, extent)
            for dimension, (index, extent) in enumerate(zip(indices, view.shape, strict=True))
        ]
        if view.window is None:
            return view, checked
        source, starts = view.window
        lead = len(starts) - len(checked)
        padded = [constant(0)] * lead + checked
        inner = [ranges.add(start, index) for start, index in zip(starts, padded, strict=True)]
        return self._through_windows(source, inner)

    def _check_bounds(self, view: View, dimension: int, index: Operand, extent: Operand) -> Operand:
        if view.bounded_by_storage or (index.low >= 0 and index.high < extent.low):
            return index
        index = self.atom(index)
        message = f"f'index {{{index.code}}} in dimension {dimension} of {view.label}'"
        self.emit(f"if not 0 <= {index.code} < {extent.code}: undefined('out-of-range', {message})")
        return Operand(index.code, max(index.low, 0), min(index.high, max(extent.high - 1, 0)))

    def _check_size(self, view: View, place: Operand) -> Operand:
        storage = view.storage
        limit = storage.size.low * storage.dtype.bytes // view.dtype.bytes
        if place.low >= 0 and place.high < limit:
            return place
        place = self.atom(place)
        size = f"len({view.storage.name})"
        if view.storage.is_bytes:
            size = f"len({view.storage.typed[view.dtype.scalar]})"
        message = f"'an element of {view.label} beyond its memory'"
        self.emit(f"if not 0 <= {place.code} < {size}: undefined('out-of-range', {message})")
        return place

    def _check_race(self, view: View, place: Operand, written: bool) -> Operand:
        storage, context = view.storage, self.contexts[-1]
        depth = len(self.contexts) - 1
        if self.perturbed or not storage.tracks_accesses or depth <= storage.concurrent_depth:
            return place
        place = self.atom(place)
        kind, name = ("write", "writer") if written else ("read", "reader")
        self.emit(
            f"if {name}_{storage.name}[{place.code}] != {context}: "
            f"history_{storage.name}.{kind}({place.code}, {context})"
        )
        return place

    # Declared regions

    def _check_declared(self, view: View, indices: list[Operand], written: bool) -> None:
        """Check that every enclosing block declares the access.

        A block that writes a region may also read it: TVM doesn't list the accumulator of a
        reduction among the reads.
        """
        for frame in self.frames:
            if view.key in frame.own:
                continue
            regions = [
                region
                for region in frame.regions.get(view.key, ())
                if region.written or not written
            ]
            tests = [_outside(region, indices) for region in regions]
            if "" in tests:
                continue
            failing = " and ".join(f"({test})" for test in tests) or "True"
            verb = "write" if written else "read"
            message = f"'block {frame.label} declares no such {verb} of {view.label}'"
            self.emit(f"if {failing}: undefined('undeclared-access', {message})")


def _outside(region: Region, indices: list[Operand]) -> str:
    """Code that tests whether the indices lie outside of the region; "" if they never do."""
    tests = []
    for index, (start, extent) in zip(indices, region.bounds, strict=True):
        if extent.low >= 1 and index.code == start.code:
            continue
        if start.high <= index.low and index.high < start.low + extent.low:
            continue
        end = ranges.add(start, extent)
        tests.append(f"not {start.code} <= {index.code} < {end.code}")
    return " or ".join(tests)


def _is_trivial(layout: Any) -> bool:
    """Whether a layout is compact and row-major, as TVMScript's parser sets it on plain buffers."""
    return compat.type_key(layout) == "TileLayout" and bool(layout.is_trivial())
