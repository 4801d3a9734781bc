"""TopK, OneHot, Gather, GatherElements: what is picked by value or by index."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax, te, tirx

from harness import compat
from jitweb.onnx.convert.node import Node, as_constant


def topk(node: Node) -> Any:
    """TopK by rank: how many elements come before each, those of a lower index first among equals.

    NaN is greater than all numbers.

    An element's rank is a sum over its row; the k-th result is the one element of rank k.
    """
    shape, count = node.shapes[0], int(node.constant(1).reshape(-1)[0])
    axis = node.axis(-1)
    is_largest = bool(node.attributes.get("largest", 1))
    length = shape[axis]
    result = (*shape[:axis], count, *shape[axis + 1 :])

    def at(place: Any, index: Any) -> Any:
        return (*place[:axis], index, *place[axis + 1 :])

    def compute(x: Any) -> Any:
        other = te.reduce_axis((0, length), "other")

        def rank(*place: Any) -> Any:
            own, theirs = x(*place), x(*at(place, other))
            comes_before = theirs > own if is_largest else theirs < own
            is_same = theirs == own
            if node.is_float:
                nan, other_nan = tirx.isnan(own), tirx.isnan(theirs)
                first, then = (other_nan, nan) if is_largest else (nan, other_nan)
                comes_before = tirx.any(comes_before, tirx.all(first, tirx.Not(then)))
                is_same = tirx.any(is_same, tirx.all(nan, other_nan))
            is_equal = tirx.all(is_same, other < place[axis])
            return te.sum(tirx.any(comes_before, is_equal).astype("int32"), axis=other)

        ranks = te.compute(shape, rank, name="ranks")

        def picked(dtype: str, value: Any) -> Any:
            source = te.reduce_axis((0, length), "source")

            def element(*place: Any) -> Any:
                from_ = at(place, source)
                zero = tirx.const(0, dtype)
                chosen = ranks(*from_) == place[axis].astype("int32")
                return te.sum(tirx.if_then_else(chosen, value(from_, source), zero), axis=source)

            return te.compute(result, element, name="picked")

        values = picked(x.dtype, lambda place, index: x(*place))
        return [values, picked("int64", lambda place, index: index.astype("int64"))]

    return node.emit(compute, node.inputs[0])


def onehot(node: Node) -> Any:
    """OneHot: values[1] at the index, counted from the end if negative, values[0] elsewhere."""
    depth = int(node.constant(1).reshape(-1)[0])
    shape = node.shapes[0]
    rank = len(shape) + 1
    axis = int(node.attributes.get("axis", -1)) % rank

    def compute(indices: Any, values: Any) -> Any:
        def element(*place: Any) -> Any:
            index = indices(*place[:axis], *place[axis + 1 :]).astype("int64")
            wrapped = tirx.if_then_else(index < 0, index + depth, index)
            is_hot = wrapped == place[axis].astype("int64")
            return tirx.if_then_else(is_hot, values(1), values(0))

        return te.compute((*shape[:axis], depth, *shape[axis:]), element, name="onehot")

    return node.emit(compute, node.inputs[0], node.inputs[2])


def gather(node: Node) -> Any:
    """Gather: slices along one axis by an index each, counted from the end if negative.

    TVM's frontend asks for the axis' extent at run time: four kernels, which are compiled by LLVM
    to be folded again, where the extent is known.
    """
    axis = node.axis(0)
    data, indices = node.inputs
    extent, known = node.shapes[0][axis], node.values[1]
    if known is not None:
        indices = as_constant(np.where(known < 0, known + extent, known).astype(known.dtype))
    else:
        dtype = compat.dtype_of(indices)
        negative = relax.op.less(indices, relax.const(0, dtype))
        from_end = relax.op.add(indices, relax.const(extent, dtype))
        indices = node.builder.emit(relax.op.where(negative, from_end, indices))
    return node.builder.emit(relax.op.take(data, indices, axis))


def gather_elements(node: Node) -> Any:
    """GatherElements: along one axis by an index each, counted from the end if negative."""
    shape, axis = node.shapes[1], node.axis(0)
    extent = node.shapes[0][axis]

    def compute(data: Any, indices: Any) -> Any:
        def element(*place: Any) -> Any:
            index = indices(*place).astype("int64")
            wrapped = tirx.if_then_else(index < 0, index + extent, index)
            return data(*place[:axis], wrapped, *place[axis + 1 :])

        return te.compute(shape, element, name="gather_elements")

    return node.emit(compute, *node.inputs)
