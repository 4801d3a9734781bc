"""What a pair of QuantizeLinear and DequantizeLinear does to a float, as one operator.

The simplifier writes it as Div, Round, Clip and Mul. A quantised model has hundreds of them, each
with a scale of its own, and TVM takes a millisecond or more for each operator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from tvm import te, tirx

from jitweb.onnx.convert.node import Node
from jitweb.onnx.graph import NAN_IS_LEAST, names_read

STEPS = "FakeQuantize"
INNER = "jitweb.inner"  # its domain, between here and the table of converters
CHAIN = ("Div", "Round", "Clip", "Mul")


def steps(node: Node) -> Any:
    """x by the scale, rounded to even, within the ends, and times the scale; NaN is the least."""
    scale, low, high = (float(node.attributes[each]) for each in ("scale", "low", "high"))

    def compute(x: Any) -> Any:
        step, least, most = (tirx.const(each, x.dtype) for each in (scale, low, high))

        def element(*place: Any) -> Any:
            value = tirx.Var("steps", x.dtype)
            limited = tirx.Select(least < value, tirx.Select(value < most, value, most), least)
            return tirx.Let(value, tirx.round(x(*place) / step), limited * step)

        return te.compute(node.shapes[0], element, name="steps")

    return node.emit(compute, node.inputs[0])


def with_steps(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, onnx.TensorProto],
    results: frozenset[str],
) -> list[onnx.NodeProto]:
    """The nodes with a FakeQuantize in the place of each such chain; `results` are the model's."""
    readers = Counter(name for node in nodes for name in set(names_read(node)))
    made = {name: node for node in nodes for name in node.output}
    last: dict[str, onnx.NodeProto] = {}  # by the result of a chain's end
    inner: set[str] = set()
    for node in nodes:
        chain = _chain(node, made)
        names = [each.output[0] for each in chain[:-1]]
        if not chain or any(readers[name] > 1 or name in results for name in names):
            continue
        scale, again = (constants.get(each.input[1]) for each in (chain[0], node))
        if scale is None or again is None or any(len(each.dims) for each in (scale, again)):
            continue
        if not np.array_equal(numpy_helper.to_array(scale), numpy_helper.to_array(again)):
            continue
        low, high = (numpy_helper.to_array(constants[name]) for name in chain[2].input[1:])
        last[node.output[0]] = helper.make_node(
            STEPS, [chain[0].input[0]], list(node.output), node.name, domain=INNER,
            scale=float(numpy_helper.to_array(scale)), low=float(low), high=float(high),
        )  # fmt: skip
        inner.update(names)
    return [last.get(node.output[0], node) for node in nodes if not inner.intersection(node.output)]


def _chain(end: onnx.NodeProto, made: Mapping[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The chain whose last node this is; empty if it is none."""
    chain: list[onnx.NodeProto] = []
    node: onnx.NodeProto | None = end
    for kind in reversed(CHAIN):
        if node is None or node.op_type != kind or node.domain:
            return []
        chain.append(node)
        node = made.get(node.input[0])
    return chain[::-1] if chain[1].doc_string == NAN_IS_LEAST else []
