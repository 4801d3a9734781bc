"""What a model is, in a line, as far as its nodes say: for `jitweb inspect`.

Attention is found by what it computes: a softmax over the last axis whose result is multiplied by a
matrix. Names of nodes and files say nothing here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from jitweb.onnx.check import tensors_of
from jitweb.onnx.graph import OUTLINE, OWN, attributes, graph_inputs, is_outline

FLOATS: Mapping[int, str] = {
    onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.FLOAT16: "float16 (computed in float32)",
    onnx.TensorProto.BFLOAT16: "bfloat16 (computed in float32)",
}  # fmt: skip
SHORT_INTEGERS = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
# Operators that an attention's probabilities pass through on their way to the values.
# Div, Round, Clip and Mul are a quantisation and its end.
PASSES = frozenset(
    "Cast Reshape Where Dropout Identity IsNaN Mul Unsqueeze Squeeze Div Round Clip".split()
)
MOST_PASSED = 12
CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "ConvInteger", "QLinearConv"})
LEAST_VOCABULARY = 256
LEAST_ATTENTIONS = 2  # of a transformer: recurrent decoders have one
NAMED = 4  # operators of a model of no known kind


def architecture(model: onnx.ModelProto, operators: Mapping[str, int]) -> str:
    """A line on a simplified model (the weights may have no data), of these operators before."""
    graph = _Shapes(model)
    attentions = list(graph.attentions())
    convolutions = sum(node.op_type in CONVOLUTIONS for node in model.graph.node)
    if len(attentions) < LEAST_ATTENTIONS:
        counts = Counter(operators).most_common(NAMED)
        listed = ", ".join(f"{count} {kind}" for kind, count in counts)
        kind = "convolutional network" if convolutions else "network"
        return f"{kind}{' with an attention' if attentions else ''}: {listed}"
    width = graph.width()  # 0 where the weights of matmuls are computed from others
    parts = [
        f"{graph.kind(attentions)}, {len(attentions)} attention layers of "
        f"{attentions[0].heads} heads" + (f", width {width}" if width else "")
    ]
    crossing = sum(each.crosses for each in attentions)
    parts += [f"{crossing} of them cross-attention"] if crossing else []
    plural = "s" if convolutions > 1 else ""
    parts += [f"{convolutions} convolution{plural}"] if convolutions else []
    vocabulary = graph.vocabulary()
    parts += [f"vocabulary of {vocabulary}"] if vocabulary else []
    return ", ".join(parts)


def precision(model: onnx.ModelProto) -> str:
    """The types of a model's weights, as the file has them, by the share of elements."""
    elements: Counter[int] = Counter()
    for tensor in tensors_of(model):
        elements[tensor.data_type] += math.prod(tensor.dims)
    floats = [FLOATS[kind] for kind, _ in elements.most_common() if kind in FLOATS]
    rest = floats[0] if floats else "float32"
    elements = elements or Counter({onnx.TensorProto.FLOAT: 1})
    kinds = Counter(node.op_type for node in model.graph.node)
    packed = [attributes(node) for node in model.graph.node if node.op_type == "MatMulNBits"]
    if packed:
        bits, block = packed[0]["bits"], packed[0]["block_size"]
        return f"{bits} bits in blocks of {block} (MatMulNBits), else {rest}"
    forms = (
        ("8 bits, QDQ", ("DequantizeLinear",)),
        (
            "8 bits, quantised at run time",
            ("MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul"),
        ),
        ("8 bits, QLinear operators", ("QLinearMatMul", "QLinearConv", "QGemm")),
    )
    found = [text for text, names in forms if any(kinds[name] for name in names)]
    if not found and elements.most_common(1)[0][0] in SHORT_INTEGERS:
        found = ["8-bit weights"]
    return f"{'; '.join(found)}; else {rest}" if found else rest


def weight_bytes(model: onnx.ModelProto) -> int:
    """The bytes of the file's weights."""
    return sum(
        math.prod(tensor.dims) * _bits(tensor.data_type) // 8 for tensor in tensors_of(model)
    )


def _bits(kind: int) -> int:
    name = onnx.TensorProto.DataType.Name(kind)
    if name.endswith("INT4"):
        return 4
    return 8 * onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize if name != "STRING" else 0


@dataclass(frozen=True)
class _Attention:
    heads: int
    crosses: bool  # queries and keys are of sequences of their own


class _Shapes:
    def __init__(self, model: onnx.ModelProto) -> None:
        graph = self.graph = model.graph
        typed = (*graph.value_info, *graph.input, *graph.output)
        self.shapes = {
            value.name: tuple(each.dim_value for each in value.type.tensor_type.shape.dim)
            for value in typed
        }
        self.weights = {value.name for value in graph.input if value.doc_string == OUTLINE}
        for tensor in graph.initializer:
            self.shapes[tensor.name] = tuple(tensor.dims)
            self.weights.add(tensor.name)
        self.weights.update(
            name for node in graph.node if node.domain == OWN for name in node.output
        )
        self.inputs = [each for each in graph_inputs(model) if each.name not in self.weights]
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def attentions(self) -> Iterator[_Attention]:
        length = self._length()
        has_cache = self._has_cache()
        for node in self.graph.node:
            shape = self.shapes.get(node.input[0], ()) if node.op_type == "Softmax" else ()
            if len(shape) < 3 or not self._meets_matmul(node.output[0]):
                continue
            heads, queries, keys = shape[-3:]
            if length and len(shape) == 4 and queries % length == 0:
                heads, queries = heads * (queries // length), length  # those that share keys
            yield _Attention(heads, not has_cache and queries != keys)

    def _length(self) -> int:
        """The length of the sequence, where ids come in."""
        shapes = (self.shapes[each.name] for each in self.inputs)
        return next((shape[1] for shape in shapes if len(shape) == 2), 0)

    def _meets_matmul(self, name: str) -> bool:
        names = {name}
        for _ in range(MOST_PASSED):
            readers = [node for each in names for node in self.readers.get(each, ())]
            if any(node.op_type in ("MatMul", "Einsum") for node in readers):
                return True
            names = {node.output[0] for node in readers if node.op_type in PASSES}
        return False

    def width(self) -> int:
        """The most common depth of a matmul by a weight."""
        depths: Counter[int] = Counter()
        for node in self.graph.node:
            if node.op_type in ("MatMul", "Gemm") and node.input[1] in self.weights:
                turned = node.op_type == "Gemm" and attributes(node).get("transB", 0)
                depths[self.shapes[node.input[1]][-1 if turned else -2]] += 1
        return depths.most_common(1)[0][0] if depths else 0

    def vocabulary(self) -> int:
        """The rows of the largest table that ids of the input look up."""
        ids = {each.name for each in self.inputs}
        tables = [
            self.shapes[node.input[0]][0]
            for node in self.graph.node
            if node.op_type == "Gather" and node.input[0] in self.weights and node.input[1] in ids
        ]
        return max((rows for rows in tables if rows >= LEAST_VOCABULARY), default=0)

    def kind(self, attentions: list[_Attention]) -> str:
        is_vision = any(
            len(self.shapes[each.name]) == 4 and self.shapes[each.name][1] in (1, 3)
            for each in self.inputs
        )
        if is_vision:
            return "vision transformer"
        if any(each.crosses for each in attentions):
            return "transformer decoder of an encoder's states"
        if self._has_cache():
            return "transformer decoder with a cache"
        if any(map(_is_causal, self._constants())):
            return "transformer decoder (causal, without a cache)"
        return "transformer encoder, like BERT" if self.vocabulary() else "transformer"

    def _has_cache(self) -> bool:
        return any(len(self.shapes[each.name]) == 4 and "past" in each.name for each in self.inputs)

    def _constants(self) -> Iterator[np.ndarray]:
        for tensor in self.graph.initializer:
            square = len(tensor.dims) >= 2 and tensor.dims[-1] == tensor.dims[-2] > 1
            if square and not is_outline(tensor):
                yield numpy_helper.to_array(tensor)


def _is_causal(mask: np.ndarray) -> bool:
    """Whether a square mask has one value for what is before, and another for what comes after."""
    length = mask.shape[-1]
    square = mask.reshape(-1, length, length)[0]
    seen, unseen = square[np.tril_indices(length)], square[np.triu_indices(length, 1)]
    return bool(np.all(seen == seen[0]) and np.all(unseen == unseen[0]) and seen[0] != unseen[0])
