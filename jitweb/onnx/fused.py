"""Fused operators as the standard ones that they are made of.

Those of onnxruntime's domain com.microsoft, as in its optimised files, and of opset 23. Sources:
onnxruntime's docs/ContribOperators.md, and ONNX's operator specification.
"""

from __future__ import annotations

import numpy as np
import onnx

from jitweb.onnx.graph import Graph, attributes, operands

INT32 = onnx.TensorProto.INT32


def gelu(graph: Graph, x: str) -> str:
    """x · (1 + erf(x / √2)) / 2."""
    return graph.op("Gelu", x)


def gelu_rule(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Gelu and BiasGelu: of the input, or of its sum with a bias."""
    x, bias = operands(node, 2)
    return [gelu(graph, graph.op("Add", x, bias) if bias else x)]


def fast_gelu(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """FastGelu: Gelu by tanh, of the input or its sum with a bias."""
    x, bias = operands(node, 2)
    return [graph.op("Gelu", graph.op("Add", x, bias) if bias else x, approximate="tanh")]


def quick_gelu(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QuickGelu: x · sigmoid(alpha · x)."""
    (x,) = node.input
    alpha = graph.constant(attributes(node).get("alpha", 1.702), graph.dtype(x))
    return [graph.op("Mul", x, graph.op("Sigmoid", graph.op("Mul", x, alpha)))]


def fused_matmul(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """FusedMatMul: alpha · A' B', each maybe transposed in its last two axes."""
    given, sides = attributes(node), []
    for name, side in zip(node.input, "AB", strict=True):
        if given.get(f"transBatch{side}"):
            raise ValueError("a FusedMatMul that transposes its batch")
        is_turned = given.get(f"trans{side}") and len(graph.shape(name)) > 1
        sides.append(swap_last(graph, name) if is_turned else name)
    product = graph.op("MatMul", *sides)
    return [scaled(graph, product, given.get("alpha", 1.0))]


def swap_last(graph: Graph, name: str) -> str:
    """The value with its last two axes exchanged."""
    axes = list(range(len(graph.shape(name))))
    return graph.op("Transpose", name, perm=[*axes[:-2], axes[-1], axes[-2]])


def scaled(graph: Graph, name: str, factor: float) -> str:
    """The value times a number."""
    if factor == 1:
        return name
    return graph.op("Mul", name, graph.constant(factor, graph.dtype(name)))


def rms_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """RMSNormalization, and SimplifiedLayerNormalization: x / √(mean(x²) + ε) · scale."""
    x, scale = node.input[:2]
    given = attributes(node)
    return rms_norm(graph, x, scale, given.get("axis", -1), given.get("epsilon", 1e-5))


def rms_norm(graph: Graph, x: str, scale: str, axis: int, epsilon: float) -> list[str]:
    """The result, and the reciprocal of the root mean square."""
    rank = len(graph.shape(x))
    axes = graph.constant(np.arange(axis % rank, rank))
    mean = graph.op("ReduceMean", graph.op("Mul", x, x), axes, keepdims=1)
    root = graph.op("Sqrt", graph.op("Add", mean, graph.constant(epsilon, graph.dtype(x))))
    inverse = graph.op("Reciprocal", root)
    return [graph.op("Mul", graph.op("Mul", x, inverse), scale), inverse]


def skip_layer_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """SkipLayerNormalization: LayerNormalization of input + skip + bias, and that sum."""
    x, skip, gamma, beta, bias = operands(node, 5)
    total = _sum(graph, x, skip, bias)
    epsilon = attributes(node).get("epsilon", 1e-5)
    return [_layer_norm(graph, total, gamma, beta, epsilon), "", "", total]


def skip_simplified_layer_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """SkipSimplifiedLayerNormalization: an RMS norm of input + skip + bias, and that sum."""
    x, skip, gamma, bias = operands(node, 4)
    total = _sum(graph, x, skip, bias)
    epsilon = attributes(node).get("epsilon", 1e-5)
    return [rms_norm(graph, total, gamma, -1, epsilon)[0], "", "", total]


def _sum(graph: Graph, first: str, *others: str) -> str:
    for other in others:
        first = graph.op("Add", first, other) if other else first
    return first


def _layer_norm(graph: Graph, x: str, gamma: str, beta: str, epsilon: float) -> str:
    inputs = [each for each in (x, gamma, beta) if each]
    return graph.op("LayerNormalization", *inputs, axis=-1, epsilon=epsilon)


def embed_layer_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """EmbedLayerNormalization: the sum of three embeddings, normalised; the length of each row."""
    ids, segments, words, places, kinds, gamma, beta, mask, positions = operands(node, 9)
    batch, length = graph.shape(ids)
    total = graph.op("Gather", words, ids)
    if not positions:
        positions = graph.constant(np.arange(length)[None], INT32)
    total = graph.op("Add", total, graph.op("Gather", places, positions))
    if segments:
        total = graph.op("Add", total, graph.op("Gather", kinds, segments))
    epsilon = attributes(node).get("epsilon", 1e-12)
    result = _layer_norm(graph, total, gamma, beta, epsilon)
    lengths = graph.constant(np.zeros(batch), INT32)
    if mask:
        counted = graph.op("ReduceSum", mask, graph.constant(np.array([1])), keepdims=0)
        lengths = graph.op("Cast", counted, to=INT32)
    return [result, lengths, total]


def bias_add(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """BiasAdd (input, bias, skip): their sum."""
    return [_sum(graph, *node.input)]
