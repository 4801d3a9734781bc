"""Cast, and what else TVM's frontend computes with more than it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from tvm import te, tirx

from jitweb.onnx.convert.node import Node


def cast(node: Node) -> Any:
    """Cast: floats to integers are cut off, and to bool anything but zero is true.

    What an integer does not hold is undefined in ONNX. TVM's frontend wraps it around, by way of
    int64 and a remainder, which costs ten operations an element and does not fit 32 bits.
    """
    to = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"])).name

    def compute(x: Any) -> Any:
        def element(*place: Any) -> Any:
            value = x(*place)
            if to != "bool":
                return value.astype(to)
            if x.dtype == "float32":  # by all bits but the sign's: NaN is true, too
                return tirx.reinterpret("int32", value) << 1 != tirx.const(0, "int32")
            return value != tirx.const(0, x.dtype)

        return te.compute(node.shapes[0], element, name="cast")

    return node.emit(compute, node.inputs[0])
