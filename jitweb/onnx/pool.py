"""Pooling as TVM's frontend has it right: with padding as numbers, and one result.

Source: ONNX's operator specification of MaxPool, AveragePool and LpPool.
"""

from __future__ import annotations

import onnx

from jitweb.onnx.graph import Graph, attributes

WITH_INDICES = "MaxPool with Indices"  # an operator that nothing takes: refused where it is read


def pool(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """The node with the padding that `auto_pad` asks for, and that `ceil_mode` asks of LpPool."""
    given = attributes(node)
    automatic = given.pop("auto_pad", "NOTSET")
    reaches = node.op_type == "LpPool" and given.pop("ceil_mode", 0)
    if automatic == "NOTSET" and not reaches and len(node.output) == 1:
        raise ValueError("nothing to rewrite")
    extents = graph.shape(node.input[0])[2:]
    rank = len(extents)
    strides, dilations = (given.get(each, [1] * rank) for each in ("strides", "dilations"))
    reach = [(k - 1) * d + 1 for k, d in zip(given["kernel_shape"], dilations, strict=True)]
    pads = given.get("pads", [0] * 2 * rank)
    before, after = list(pads[:rank]), list(pads[rank:])
    for axis, (extent, stride) in enumerate(zip(extents, strides, strict=True)):
        if automatic.startswith("SAME"):
            lacks = max((-(-extent // stride) - 1) * stride + reach[axis] - extent, 0)
            before[axis] = (lacks + (automatic == "SAME_LOWER")) // 2
            after[axis] = lacks - before[axis]
        elif automatic == "VALID":
            before[axis] = after[axis] = 0
        if reaches:
            whole = extent + before[axis] + after[axis]
            last = -(-(whole - reach[axis]) // stride) * stride
            if last < extent + before[axis]:  # a window begins in what is there
                after[axis] += max(last + reach[axis] - whole, 0)
    given["pads"] = [*before, *after]
    results = [graph.op(node.op_type, *node.input, **given)]
    if len(node.output) > 1:
        results.append(graph.op(WITH_INDICES, *node.input, **given))
    return results
