"""ScatterElements and ScatterND: each element of the result asks which update is for it.

So every element is written once, and the kernel is a reduction like another. With constant indices,
as in a model that assigns to a slice, which update is for which element is known at import, and the
kernel reads one update an element.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import te, tirx

from jitweb.onnx.convert.node import Node, as_constant

Reduce = Callable[..., Any]


def scatter_elements(node: Node) -> Any:
    """ScatterElements as a ScatterND of flat places."""
    data, indices = node.shapes[0], node.shapes[1]
    axis = node.axis(0)
    known = node.values[1]
    strides = [math.prod(data[place + 1 :]) for place in range(len(data))]
    if known is not None:
        places = list(np.indices(indices, dtype=np.int64))
        places[axis] = np.where(known < 0, known + data[axis], known)
        flat = sum(stride * place for stride, place in zip(strides, places, strict=True))
        return _by_constant(node, np.asarray(flat).reshape(-1), 1)

    def place_of(index: Any, update: Any) -> Any:
        """The flat place in the data of an update's flat number."""
        place = _unravel(update, indices)
        chosen = index(*place).astype("int64")
        place[axis] = tirx.if_then_else(chosen < 0, chosen + data[axis], chosen)
        return _flat(place, strides)

    return _by_computed(node, place_of, 1)


def scatter_nd(node: Node) -> Any:
    """ScatterND: the last axis of the indices names a place, or a slice, of the data."""
    data, indices = node.shapes[0], node.shapes[1]
    depth = indices[-1]
    block = math.prod(data[depth:])
    strides = [math.prod(data[place + 1 : depth]) for place in range(depth)]
    known = node.values[1]
    if known is not None:
        wrapped = np.where(known < 0, known + np.array(data[:depth]), known)
        return _by_constant(node, (wrapped * strides).sum(axis=-1).reshape(-1), block)

    def place_of(index: Any, update: Any) -> Any:
        rows = _unravel(update, indices[:-1])
        parts = []
        for axis in range(depth):
            chosen = index(*rows, axis).astype("int64")
            parts.append(tirx.if_then_else(chosen < 0, chosen + data[axis], chosen))
        return _flat(parts, strides)

    return _by_computed(node, place_of, block)


def _by_constant(node: Node, places: np.ndarray, block: int) -> Any:
    """The result where the places of the updates, in blocks, are known.

    Raises:
        ValueError: several updates for one place, which are to be added up or the like.
    """
    data, reduction = node.shapes[0], str(node.attributes.get("reduction", "none"))
    if reduction != "none":
        if len(np.unique(places)) != len(places):
            return _by_computed(node, lambda index, update: None, block, places)
    source = np.full(math.prod(data) // block, -1, np.int64)
    source[places] = np.arange(len(places))

    def compute(x: Any, updates: Any, sources: Any) -> Any:
        def element(*place: Any) -> Any:
            flat = _flat(place, _strides(data))
            update = sources(tirx.floordiv(flat, block))
            number = tirx.max(update, 0) * block + tirx.floormod(flat, block)
            given = updates(*_unravel(number, node.shapes[2]))
            merged = _merge(reduction, x(*place), given)
            return tirx.if_then_else(update >= 0, merged, x(*place))

        return te.compute(data, element, name="scatter")

    return node.emit(compute, node.inputs[0], node.inputs[2], as_constant(source))


def _by_computed(
    node: Node, place_of: Callable[[Any, Any], Any], block: int, known: np.ndarray | None = None
) -> Any:
    """The result where places are computed: each element looks at every update.

    Without a reduction there is one update at most for a place: so ONNX asks.
    """
    data, reduction = node.shapes[0], str(node.attributes.get("reduction", "none"))
    count = math.prod(node.shapes[2]) // block

    def compute(x: Any, indices: Any, updates: Any) -> Any:
        def over(name: str, neutral: Any, reduce: Reduce, value: Callable[[Any], Any]) -> Any:
            update = te.reduce_axis((0, count), "update")

            def element(*place: Any) -> Any:
                flat = _flat(place, _strides(data)).astype("int64")
                there = indices(update) if known is not None else place_of(indices, update)
                is_mine = there.astype("int64") == tirx.floordiv(flat, block)
                number = update * block + tirx.floormod(flat, block)
                taken = value(updates(*_unravel(number, node.shapes[2])))
                return reduce(tirx.if_then_else(is_mine, taken, neutral), axis=update)

            return te.compute(data, element, name=name)

        if reduction == "none":
            zero, one = tirx.const(0, x.dtype), tirx.const(1, "int32")
            hit = over("hit", tirx.const(0, "int32"), te.sum, lambda each: one)
            given = over("given", zero, te.sum, lambda each: each)
            return te.compute(
                data,
                lambda *place: tirx.if_then_else(hit(*place) > 0, given(*place), x(*place)),
                name="scatter",
            )
        neutral, reduce = _reduction(reduction, x.dtype)
        gathered = over("gathered", neutral, reduce, lambda each: each)
        return te.compute(
            data, lambda *place: _merge(reduction, x(*place), gathered(*place)), name="scatter"
        )

    indices = node.inputs[1] if known is None else as_constant(known)
    return node.emit(compute, node.inputs[0], indices, node.inputs[2])


def _reduction(name: str, dtype: str) -> tuple[Any, Reduce]:
    if name == "add":
        return tirx.const(0, dtype), te.sum
    if name == "max":
        return te.min_value(dtype), te.max
    if name == "min":
        return te.max_value(dtype), te.min
    raise ValueError(f"a scatter that reduces by {name}")


def _merge(name: str, old: Any, new: Any) -> Any:
    table: dict[str, Callable[[], Any]] = {
        "none": lambda: new,
        "add": lambda: old + new,
        "mul": lambda: old * new,
        "max": lambda: tirx.max(old, new),
        "min": lambda: tirx.min(old, new),
    }
    return table[name]()


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[place + 1 :]) for place in range(len(shape))]


def _flat(place: Any, strides: list[int]) -> Any:
    total: Any = tirx.const(0, "int64")
    for index, stride in zip(place, strides, strict=True):
        total = total + index * stride
    return total


def _unravel(flat: Any, shape: tuple[int, ...]) -> list[Any]:
    return [
        tirx.floormod(tirx.floordiv(flat, stride), extent)
        for stride, extent in zip(_strides(shape), shape, strict=True)
    ]
