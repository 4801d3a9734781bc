"""Quantised weights in a simplified graph: an operator of ours, of constant integers and factors.

So no float of them is computed on the way to the bundle. TVM's frontend sees their results as
inputs; who computes with the simplified graph itself asks for `with_floats`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from jitweb.onnx.graph import OWN, SMALL, Graph, attributes, is_outline, operands
from jitweb.small_weights import LEAST, Quantized

FLOAT = onnx.TensorProto.FLOAT
DEQUANTIZED = "Dequantized"


def weight(graph: Graph, quantized: Quantized) -> str:
    """Emit a quantised weight; a small one as a constant in float32."""
    if graph.is_outlined and quantized.numbers.size > SMALL:
        factors = [part.size for part in (quantized.scale, quantized.zero) if part is not None]
        bits = quantized.bits + 32 * sum(factors) / quantized.numbers.size
        return graph.outlined(quantized.shape, bits)
    if quantized.numbers.size < LEAST:
        return graph.constant(quantized.floats(), FLOAT)
    parts = (quantized.scale, quantized.zero)
    names = ["" if part is None else graph.constant(part, FLOAT) for part in parts]
    facts = {"bits": quantized.bits, "axis": quantized.axis, "block": quantized.block}
    inputs = [graph.constant(quantized.numbers), *names]
    (name,) = graph.ops(DEQUANTIZED, inputs, 1, domain=OWN, **facts)
    graph.types[name] = helper.make_tensor_type_proto(FLOAT, quantized.shape)
    return name


def moved(graph: Graph, name: str, move: Callable[[str, str], str]) -> str:
    """A weight after operators that move its elements and put zeros between them.

    `move` emits them for a value, with the mode of each Pad. A quantised weight stays one: the
    operators are applied to the places of its elements, and to ones where they are no padding.
    """
    made, constant = graph.producers.get(name), graph.constants.get(name)
    if constant is not None and is_outline(constant) and constant.doc_string:
        return graph.outlined(graph.shape(move(name, "constant")), float(constant.doc_string))
    if made is None or made.domain != OWN:
        return move(name, "constant")
    quantized = _quantized(made, graph.constants)
    every = np.arange(quantized.numbers.size).reshape(quantized.shape)
    places = graph.value(move(graph.constant(every), "edge"))
    is_kept = graph.value(move(graph.constant(np.ones_like(every)), "constant"))
    assert places is not None and is_kept is not None
    try:
        return weight(graph, quantized.moved(places, is_kept != 0))
    except ValueError:  # no integer is zero
        return move(name, "constant")


def quantized_weights(model: onnx.ModelProto) -> dict[str, Quantized]:
    """The quantised weights of a simplified model, by their names."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    return {
        node.output[0]: _quantized(node, constants)
        for node in model.graph.node
        if node.domain == OWN
    }


def _quantized(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> Quantized:
    numbers, scale, zero = (
        numpy_helper.to_array(constants[name]) if name else None for name in operands(node, 3)
    )
    assert numbers is not None
    given = attributes(node)
    return Quantized(numbers, given["bits"], scale, zero, given["axis"], given["block"])


def with_floats(model: onnx.ModelProto) -> onnx.ModelProto:
    """A simplified model of standard operators alone: its quantised weights are in float32."""
    found = quantized_weights(model)
    if not found:
        return model
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    nodes = [node for node in model.graph.node if node.domain != OWN]
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)
    whole.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(each.floats()), name) for name, each in found.items()
    )
    return whole
