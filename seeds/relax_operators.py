"""Family "relax": the PrimFuncs of Relax operators, single and fused in chains.

A small Relax function is built, legalised and fused; its largest PrimFunc is the seed. These differ
from the seeds made with TOPI by int64 loops and shapes, and by the many blocks of a fused chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tvm import IRModule, relax
from tvm.relax import op
from tvm.relax.op import nn

from seeds.recipe import DTYPES, Recipe
from seeds.relax_lowering import largest_function

FAMILY = "relax"
Node = tuple[str, Callable[..., Any], *tuple[str, ...]]


def recipes() -> list[Recipe]:
    """The recipes of single operators, then of fused chains."""
    return [
        Recipe(f"{FAMILY}/{label}-{specs[0]}", FAMILY, partial(build, compute, specs))
        for table in (TENSORS, LAYERS, CHAINS)
        for label, compute, *specs in table
    ]


def build(compute: Callable[..., Any], specs: Sequence[str]) -> IRModule:
    """The largest PrimFunc of a Relax function that returns `compute` of its parameters."""
    inputs = [variable(spec, f"x{index}") for index, spec in enumerate(specs)]
    builder = relax.BlockBuilder()
    with builder.function("main", inputs):
        with builder.dataflow():
            result = builder.emit_output(builder.normalize(compute(*inputs)))
        builder.emit_func_output(result)
    return largest_function(builder.get())


def variable(spec: str, name: str) -> relax.Var:
    """A parameter of a shape and abbreviated dtype, e.g. "3x4-f32"."""
    shape, dtype = spec.split("-")
    extents = [int(extent) for extent in shape.split("x")]
    return relax.Var(name, relax.TensorType(extents, DTYPES[dtype]))


def number(value: float, dtype: str = "float32") -> Any:
    """A scalar constant."""
    return relax.const(value, dtype)


TENSORS: list[Node] = [
    ("add", op.add, "3x5-f32", "3x5-f32"),
    ("subtract_scalar", lambda x: op.subtract(x, number(2, "int32")), "3x5-i32"),
    ("sigmoid", op.sigmoid, "3x5-f16"),
    ("where", op.where, "3x5-bool", "3x5-f32", "3x5-f32"),
    ("astype", lambda x: op.astype(x, "float16"), "3x5-f32"),
    ("clip", lambda x: op.clip(x, -1, 1), "3x5-f32"),
    ("mean", lambda x: op.mean(x, axis=1), "4x6-f32"),
    ("variance", lambda x: op.variance(x, axis=1), "4x6-f32"),
    ("std", lambda x: op.std(x, axis=0), "4x6-f32"),
    ("sum_keepdims", lambda x: op.sum(x, axis=[0, 2], keepdims=True), "3x4x5-f32"),
    ("max", lambda x: op.max(x, axis=-1), "3x7-f32"),
    ("prod", lambda x: op.prod(x, axis=1), "3x4-f32"),
    ("argmax", lambda x: op.argmax(x, axis=1), "3x7-f32"),
    ("argmin", lambda x: op.argmin(x, axis=0, keepdims=True), "5x3-i32"),
    ("matmul", op.matmul, "3x5-f32", "5x4-f32"),
    ("matmul_batch", op.matmul, "2x3x5-f32", "2x5x4-f32"),
    ("matmul_vector", op.matmul, "3x5-f32", "5-f32"),
    ("linear", op.linear, "3x5-f32", "4x5-f32", "4-f32"),
    ("outer", op.outer, "5-f32", "7-f32"),
    ("einsum", lambda x, y: op.einsum((x, y), "ij,kj->ik"), "3x5-f32", "4x5-f32"),
    ("permute_dims", lambda x: op.permute_dims(x, [1, 2, 0]), "3x4x5-f32"),
    ("reshape", lambda x: op.reshape(x, (5, 6)), "3x10-f32"),
    ("flatten", op.flatten, "2x3x4-f32"),
    ("expand_dims", lambda x: op.expand_dims(x, [0, 2]), "3x5-i8"),
    ("squeeze", lambda x: op.squeeze(x, [1]), "3x1x5-f32"),
    ("broadcast_to", lambda x: op.broadcast_to(x, (4, 3, 5)), "3x1-f32"),
    ("concat", lambda x, y: op.concat([x, y], axis=1), "3x5-f32", "3x2-f32"),
    ("stack", lambda x, y: op.stack([x, y], axis=0), "3x5-f32", "3x5-f32"),
    ("split", lambda x: op.split(x, 2, axis=1), "3x6-f32"),
    ("repeat", lambda x: op.repeat(x, 2, 1), "3x5-f32"),
    ("tile", lambda x: op.tile(x, (2, 2)), "3x4-i32"),
    ("flip", lambda x: op.flip(x, 0), "3x5-f32"),
    ("strided_slice", lambda x: op.strided_slice(x, [0, 1], [1, 0], [5, 4], [2, 1]), "6x5-f32"),
    ("triu", lambda x: op.triu(x, 1), "5x4-f32"),
    ("tril", lambda x: op.tril(x, -1), "5x4-f32"),
    ("one_hot", lambda x: op.one_hot(x, _one(), _zero(), 5, -1),
     "7-i32"),
    ("collapse_sum_to", lambda x: op.collapse_sum_to(x, (1, 5)), "3x5-f32"),
    ("floor_mod", lambda x: op.floor_mod(x, number(3, "int32")), "3x5-i32"),
    ("floor_divide", lambda x: op.floor_divide(x, number(-4, "int64")), "3x5-i64"),
    ("power", lambda x: op.power(op.abs(x), number(1.5)), "3x5-f32"),
    ("bitwise_xor", op.bitwise_xor, "3x5-i32", "3x5-i32"),
    ("logical_xor", op.logical_xor, "3x5-bool", "3x5-bool"),
    ("erf", op.erf, "3x5-f32"),
    ("round", op.round, "3x5-f32"),
    ("sign", op.sign, "3x5-f32"),
    ("arange", lambda x: op.add(x, op.arange(0, 5, 1, "float32")), "3x5-f32"),
    ("layout_transform",
     lambda x: op.layout_transform(x, lambda n, c, h: (n, c // 4, h, c % 4)), "2x8x3-f32"),
    ("quantize",
     lambda x: op.quantize(x, number(0.1), number(3, "int8"), axis=-1, out_dtype="int8"),
     "3x5-f32"),
    ("dequantize",
     lambda x: op.dequantize(x, number(0.1), number(3, "int8"), axis=-1, out_dtype="float32"),
     "3x5-i8"),
]


def _one() -> Any:
    return relax.prim_value(1)


def _zero() -> Any:
    return relax.prim_value(0)


LAYERS: list[Node] = [
    ("conv1d", lambda x, w: nn.conv1d(x, w, padding=1), "1x3x7-f32", "2x3x3-f32"),
    ("conv2d", lambda x, w: nn.conv2d(x, w, padding=1), "1x3x6x5-f32", "2x3x3x3-f32"),
    ("conv2d_grouped", lambda x, w: nn.conv2d(x, w, groups=2), "1x4x5x5-f32", "4x2x3x3-f32"),
    ("conv2d_nhwc",
     lambda x, w: nn.conv2d(x, w, strides=2, data_layout="NHWC", kernel_layout="OHWI"),
     "1x7x5x3-f32", "2x3x3x3-f32"),
    ("conv2d_transpose",
     lambda x, w: nn.conv2d_transpose(x, w, strides=(2, 2)), "1x2x3x3-f32", "2x3x2x2-f32"),
    ("max_pool2d", lambda x: nn.max_pool2d(x, (3, 2), (2, 2), (1, 0)), "1x2x7x6-f32"),
    ("avg_pool2d", lambda x: nn.avg_pool2d(x, (2, 2), (2, 2), ceil_mode=True), "1x2x7x5-f32"),
    ("adaptive_avg_pool2d", lambda x: nn.adaptive_avg_pool2d(x, (1, 1)), "1x2x7x5-f32"),
    ("softmax", lambda x: nn.softmax(x, axis=1), "2x5x3-f32"),
    ("log_softmax", nn.log_softmax, "3x7-f32"),
    ("layer_norm", lambda x, g, b: nn.layer_norm(x, g, b, axes=[-1]), "3x6-f32", "6-f32", "6-f32"),
    ("group_norm",
     lambda x, g, b: nn.group_norm(x, g, b, num_groups=2, channel_axis=1, axes=[2]),
     "1x4x5-f32", "4-f32", "4-f32"),
    ("instance_norm",
     lambda x, g, b: nn.instance_norm(x, g, b, channel_axis=1, axes=[2]),
     "2x3x5-f32", "3-f32", "3-f32"),
    ("rms_norm", lambda x, w: nn.rms_norm(x, w, axes=[-1]), "3x6-f32", "6-f32"),
    ("gelu", nn.gelu, "3x5-f32"),
    ("gelu_tanh", nn.gelu_tanh, "3x5-f32"),
    ("silu", nn.silu, "3x5-f16"),
    ("selu", nn.selu, "3x5-f32"),
    ("relu6", nn.relu6, "3x5-f32"),
    ("prelu", nn.prelu, "2x3x4-f32", "3-f32"),
    ("softplus", nn.softplus, "3x5-f32"),
    ("pad", lambda x: nn.pad(x, (1, 2, 0, 1)), "3x5-f32"),
    ("pad_reflect", lambda x: nn.pad(x, (1, 2, 1, 1), "reflect"), "4x5-f32"),
    ("attention", nn.attention, "1x3x2x4-f32", "1x5x2x4-f32", "1x5x2x4-f32"),
    ("attention_causal",
     lambda q, k, v: nn.attention(q, k, v, causal_mask="TopLeft"),
     "1x4x2x4-f32", "1x4x2x4-f32", "1x4x2x4-f32"),
    ("cross_entropy", nn.cross_entropy_with_logits, "3x5-f32", "3x5-f32"),
    ("resize2d", lambda x: op.image.resize2d(x, (5, 7), layout="NCHW"), "1x2x4x3-f32"),
]

CHAINS: list[Node] = [
    ("add_multiply_tanh", lambda x, y: op.tanh(op.multiply(op.add(x, y), y)), "3x5-f32", "5-f32"),
    ("matmul_bias_gelu", lambda x, w, b: nn.gelu(op.add(op.matmul(x, w), b)),
     "3x5-f32", "5x4-f32", "4-f32"),
    ("conv_bias_relu", lambda x, w, b: nn.relu(op.add(nn.conv2d(x, w, padding=1), b)),
     "1x2x6x5-f32", "3x2x3x3-f32", "1x3x1x1-f32"),
    ("softmax_of_scaled", lambda x: nn.softmax(op.multiply(x, number(0.5))), "3x7-f32"),
    ("sum_then_divide", lambda x: op.divide(op.sum(op.exp(x), -1, True), number(4.0)), "3x6-f32"),
    ("cast_matmul_cast",
     lambda x, y: op.astype(op.matmul(op.astype(x, "float32"), op.astype(y, "float32")), "float16"),
     "3x5-f16", "5x4-f16"),
    ("slice_concat_negate",
     lambda x: op.concat(
         [op.negative(op.strided_slice(x, [1], [3], [6])), op.strided_slice(x, [1], [0], [3])], 1),
     "4x6-f32"),
    ("where_compare", lambda x, y: op.where(op.greater(x, y), op.subtract(x, y), op.exp(y)),
     "3x5-f32", "3x5-f32"),
    ("pool_of_relu", lambda x: nn.max_pool2d(nn.relu(x), (2, 2), (2, 2)), "1x2x6x4-f32"),
    ("swiglu", lambda x, a, b: op.multiply(nn.silu(op.matmul(x, a)), op.matmul(x, b)),
     "3x5-f32", "5x6-f32", "5x6-f32"),
    ("quantize_round_trip",
     lambda x: op.dequantize(
         op.quantize(x, number(0.05), number(0, "int8"), axis=-1, out_dtype="int8"),
         number(0.05), number(0, "int8"), axis=-1, out_dtype="float32"),
     "3x5-f32"),
    ("reshape_transpose_add",
     lambda x, y: op.add(op.permute_dims(op.reshape(x, (3, 2, 4)), [1, 0, 2]), y),
     "3x8-f32", "2x3x4-f32"),
]
