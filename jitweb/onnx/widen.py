"""Floats of 16 bits are computed in float32: WebAssembly has no others.

Every tensor, type and Cast of a model that names float16 or bfloat16 names float32 instead, before
anything looks at it; so the model's inputs and outputs of 16 bits are float32 to the user as well.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from jitweb.onnx.check import checked_tensor

SHORT = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
SHORT_BITS = 16
FLOAT = onnx.TensorProto.FLOAT
NAMES_A_DTYPE = ("to", "dtype", "output_dtype")  # attributes that do


def is_short(model: onnx.ModelProto) -> bool:
    """Whether a weight, an input or a Cast of the model is of 16 bits."""
    return (
        any(tensor.data_type in SHORT for tensor in model.graph.initializer)
        or any(value.type.tensor_type.elem_type in SHORT for value in model.graph.input)
        or any(
            attribute.name in NAMES_A_DTYPE and attribute.i in SHORT
            for node in model.graph.node
            for attribute in node.attribute
        )
    )


def widened(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """The tensor in float32, where it is of 16 bits."""
    if tensor.data_type not in SHORT:
        return tensor
    return checked_tensor(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def widened_type(kind: onnx.TypeProto) -> onnx.TypeProto:
    """The type of float32, where it is of 16 bits."""
    if kind.tensor_type.elem_type not in SHORT:
        return kind
    wide = onnx.TypeProto()
    wide.CopyFrom(kind)
    wide.tensor_type.elem_type = FLOAT
    return wide


def widen_node(node: onnx.NodeProto) -> None:
    """Make the attributes of a node, and the graphs in it, name float32."""
    for attribute in node.attribute:
        if attribute.name in NAMES_A_DTYPE and attribute.i in SHORT:
            attribute.i = FLOAT
        if attribute.HasField("t") and attribute.t.data_type in SHORT:
            attribute.t.CopyFrom(widened(attribute.t))
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                widen_node(inner)
            for tensor in attribute.g.initializer:
                if tensor.data_type in SHORT:
                    tensor.CopyFrom(widened(tensor))
            for value in (*attribute.g.input, *attribute.g.output, *attribute.g.value_info):
                value.type.CopyFrom(widened_type(value.type))
