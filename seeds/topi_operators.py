"""Family "topi": tensor operators of TVM's operator library (TOPI), on small odd shapes.

Elementwise, broadcasting, reduction, indexing and shape operators; `topi_layers` has the layers of
neural networks. Every operator is free of undefined behaviour on moderate inputs: indices are
reduced to their range, divisors and arguments of logarithms kept away from zero, and narrow
integers from overflowing, because signed overflow would make the program invalid.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import te, tirx, topi

from seeds.recipe import Recipe, from_operator

FAMILY = "topi"
Compute = Callable[..., te.Tensor | list[te.Tensor]]


def recipes() -> list[Recipe]:
    """The recipes of all tensor operators, in a fixed order."""
    tables = (UNARY, BINARY, REDUCTIONS, SHAPES, INDEXING, SCANS, PRODUCTS, CHAINS)
    return [from_operator(FAMILY, *entry) for table in tables for entry in table]


def constant(value: float, dtype: str) -> tirx.Expr:
    """A scalar constant."""
    return tirx.const(value, dtype)


def positive(x: te.Tensor) -> te.Tensor:
    """Values of at least one half, for logarithms, roots and divisors."""
    return topi.add(topi.abs(x), constant(0.5, x.dtype))


def unit(x: te.Tensor) -> te.Tensor:
    """Values strictly between -1 and 1, for inverse trigonometric functions."""
    return topi.multiply(topi.sin(x), constant(0.9, x.dtype))


def index(x: te.Tensor, extent: int) -> te.Tensor:
    """Integers reduced to [0, extent)."""
    return topi.floor_mod(x, constant(extent, x.dtype))


def nonzero(x: te.Tensor) -> te.Tensor:
    """Integers of either sign, but not zero."""
    return te.compute(
        x.shape,
        lambda *i: tirx.Select(x(*i) == 0, constant(3, x.dtype), x(*i)),
        name="nonzero",
    )


def shift_count(x: te.Tensor) -> te.Tensor:
    """Shift counts from 0 to 3."""
    return topi.bitwise_and(x, constant(3, x.dtype))


UNARY: list[tuple[str, Compute, str]] = [
    ("identity", topi.identity, "7x5-f32"),
    ("negative", topi.negative, "3x1x9-i32"),
    ("negative", topi.negative, "7x5-f16"),
    ("exp", topi.exp, "7x5-f32"),
    ("exp", topi.exp, "5x3-f16"),
    ("exp", topi.exp, "5x3-bf16"),
    ("exp", topi.exp, "5x3-f64"),
    ("erf", topi.erf, "7x5-f32"),
    ("tanh", topi.tanh, "3x1x9-f32"),
    ("tan", lambda x: topi.tan(unit(x)), "13-f32"),
    ("cos", topi.cos, "13-f32"),
    ("cosh", topi.cosh, "13-f32"),
    ("sin", topi.sin, "13-f64"),
    ("sinh", topi.sinh, "13-f32"),
    ("acos", lambda x: topi.acos(unit(x)), "11-f32"),
    ("acosh", lambda x: topi.acosh(topi.add(positive(x), 1.0)), "11-f32"),
    ("asin", lambda x: topi.asin(unit(x)), "11-f32"),
    ("asinh", topi.asinh, "11-f32"),
    ("atan", topi.atan, "11-f32"),
    ("atanh", lambda x: topi.atanh(unit(x)), "11-f32"),
    ("floor", topi.floor, "7x5-f32"),
    ("ceil", topi.ceil, "7x5-f32"),
    ("trunc", topi.trunc, "7x5-f32"),
    ("round", topi.round, "7x5-f32"),
    ("sign", topi.sign, "7x5-f32"),
    ("sign", topi.sign, "7x5-i32"),
    ("abs", topi.abs, "7x5-i8"),
    ("abs", topi.abs, "7x5-f32"),
    ("isnan", topi.isnan, "7x5-f32"),
    ("isfinite", topi.isfinite, "7x5-f32"),
    ("isinf", topi.isinf, "7x5-f32"),
    ("log", lambda x: topi.log(positive(x)), "7x5-f32"),
    ("log2", lambda x: topi.log2(positive(x)), "7x5-f32"),
    ("log10", lambda x: topi.log10(positive(x)), "7x5-f32"),
    ("sqrt", lambda x: topi.sqrt(positive(x)), "7x5-f32"),
    ("rsqrt", lambda x: topi.rsqrt(positive(x)), "7x5-f32"),
    ("rsqrt", lambda x: topi.rsqrt(positive(x)), "7x5-f16"),
    ("sigmoid", topi.sigmoid, "3x1x9-f32"),
    ("fast_exp", topi.fast_exp, "7x5-f32"),
    ("fast_tanh", topi.fast_tanh, "7x5-f32"),
    ("fast_erf", topi.fast_erf, "7x5-f32"),
    ("clip", lambda x: topi.clip(x, -1, 2), "7x5-i32"),
    ("clip", lambda x: topi.clip(x, -1.0, 2.0), "7x5-f32"),
    ("cast_f32", lambda x: topi.cast(x, "float32"), "7x5-i32"),
    ("cast_i32", lambda x: topi.cast(x, "int32"), "7x5-f32"),
    ("cast_i8", lambda x: topi.cast(x, "int8"), "7x5-i64"),
    ("cast_u8", lambda x: topi.cast(x, "uint8"), "7x5-i32"),
    ("cast_f32", lambda x: topi.cast(x, "float32"), "7x5-bf16"),
    ("cast_bf16", lambda x: topi.cast(x, "bfloat16"), "7x5-f32"),
    ("cast_f16", lambda x: topi.cast(x, "float16"), "7x5-f32"),
    ("cast_bool", lambda x: topi.cast(x, "bool"), "7x5-i32"),
    ("cast_i64", lambda x: topi.cast(x, "int64"), "7x5-bool"),
    ("reinterpret_i32", lambda x: topi.reinterpret(x, "int32"), "7x5-f32"),
    ("logical_not", topi.logical_not, "7x5-bool"),
    ("bitwise_not", topi.bitwise_not, "7x5-i32"),
    ("bitwise_not", topi.bitwise_not, "7x5-u8"),
    ("fixed_point_multiply", lambda x: topi.fixed_point_multiply(x, 1 << 30, 0), "7x5-i32"),
    ("full_like", lambda x: topi.full_like(x, 3.5), "5x2-f32"),
]

BINARY: list[tuple[str, ...] | tuple[str, Compute, str, str]] = [  # type: ignore[valid-type]
    ("add", topi.add, "7x5-f32", "7x5-f32"),
    ("add_row", topi.add, "7x5-f32", "5-f32"),
    ("add_column", topi.add, "3x1x9-f32", "3x4x1-f32"),
    ("add", topi.add, "7x5-i8", "7x5-i8"),
    ("add", topi.add, "7x5-u8", "7x5-u8"),
    ("add", topi.add, "7x5-i64", "7x5-i64"),
    ("add", topi.add, "7x5-bf16", "7x5-bf16"),
    ("add", topi.add, "7x5-f16", "7x5-f16"),
    ("subtract", topi.subtract, "7x5-u8", "7x5-u8"),
    ("subtract", topi.subtract, "7x5-i64", "5-i64"),
    ("multiply", topi.multiply, "7x5-i8", "7x5-i8"),
    ("multiply", topi.multiply, "7x1-f32", "1x5-f32"),
    ("multiply", topi.multiply, "7x5-bf16", "7x5-bf16"),
    ("divide", lambda x, y: topi.divide(x, positive(y)), "7x5-f32", "7x5-f32"),
    ("divide", lambda x, y: topi.divide(x, nonzero(y)), "7x5-i32", "7x5-i32"),
    ("floor_divide", lambda x, y: topi.floor_divide(x, nonzero(y)), "7x5-i32", "7x5-i32"),
    ("floor_divide", lambda x, y: topi.floor_divide(x, nonzero(y)), "7x5-i8", "7x5-i8"),
    ("floor_divide", lambda x, y: topi.floor_divide(x, positive(y)), "7x5-f32", "7x5-f32"),
    ("floor_mod", lambda x, y: topi.floor_mod(x, nonzero(y)), "7x5-i32", "7x5-i32"),
    ("floor_mod", lambda x, y: topi.floor_mod(x, nonzero(y)), "7x5-i64", "5-i64"),
    ("mod", lambda x, y: topi.mod(x, nonzero(y)), "7x5-i32", "7x5-i32"),
    ("maximum", topi.maximum, "7x5-f32", "5-f32"),
    ("maximum", topi.maximum, "7x5-i8", "7x5-i8"),
    ("minimum", topi.minimum, "7x5-u8", "7x5-u8"),
    ("minimum", topi.minimum, "3x1x9-f16", "3x2x9-f16"),
    ("power", lambda x, y: topi.power(positive(x), y), "7x5-f32", "7x5-f32"),
    ("atan2", lambda x, y: topi.atan2(x, positive(y)), "7x5-f32", "7x5-f32"),
    ("log_add_exp", topi.log_add_exp, "7x5-f32", "7x5-f32"),
    ("left_shift", lambda x, y: topi.left_shift(x, shift_count(y)), "7x5-u32", "7x5-u32"),
    ("right_shift", lambda x, y: topi.right_shift(x, shift_count(y)), "7x5-i32", "7x5-i32"),
    ("greater", topi.greater, "7x5-f32", "7x5-f32"),
    ("less", topi.less, "7x5-i32", "5-i32"),
    ("equal", topi.equal, "7x5-u8", "7x5-u8"),
    ("not_equal", topi.not_equal, "7x5-i64", "7x5-i64"),
    ("greater_equal", topi.greater_equal, "7x5-f16", "7x5-f16"),
    ("less_equal", topi.less_equal, "7x5-f32", "5-f32"),
    ("logical_and", topi.logical_and, "7x5-bool", "7x5-bool"),
    ("logical_or", topi.logical_or, "7x5-bool", "5-bool"),
    ("logical_xor", topi.logical_xor, "7x5-bool", "7x5-bool"),
    ("bitwise_and", topi.bitwise_and, "7x5-i32", "7x5-i32"),
    ("bitwise_or", topi.bitwise_or, "7x5-u8", "7x5-u8"),
    ("bitwise_xor", topi.bitwise_xor, "7x5-i64", "5-i64"),
]

REDUCTIONS: list[tuple[str, Compute, str]] = [
    ("sum_axis1", lambda x: topi.sum(x, axis=1), "7x5-f32"),
    ("sum_all", topi.sum, "7x5-f32"),
    ("sum_axis0", lambda x: topi.sum(x, axis=0), "7x5-i32"),
    ("sum_middle", lambda x: topi.sum(x, axis=1, keepdims=True), "3x4x5-f32"),
    ("sum_two", lambda x: topi.sum(x, axis=[0, 2]), "3x4x5-i64"),
    ("sum_axis1", lambda x: topi.sum(x, axis=1), "7x5-f16"),
    ("sum_axis1", lambda x: topi.sum(x, axis=1), "7x5-bf16"),
    ("max_axis1", lambda x: topi.max(x, axis=1), "7x5-f32"),
    ("max_axis0", lambda x: topi.max(x, axis=0), "7x5-i8"),
    ("min_axis1", lambda x: topi.min(x, axis=1), "7x5-f16"),
    ("min_all", topi.min, "3x1x9-u8"),
    ("prod_axis1", lambda x: topi.prod(x, axis=1), "7x5-i32"),
    ("prod_axis0", lambda x: topi.prod(x, axis=0), "4x5-f32"),
    ("argmax_axis1", lambda x: topi.argmax(x, axis=1), "7x5-f32"),
    ("argmax_last", lambda x: topi.argmax(x, axis=1, select_last_index=True), "7x5-i32"),
    ("argmin_axis0", lambda x: topi.argmin(x, axis=0), "7x5-i32"),
    ("argmin_all", topi.argmin, "3x1x9-f32"),
    ("all_axis1", lambda x: topi.all(x, axis=1), "7x5-bool"),
    ("any_axis0", lambda x: topi.any(x, axis=0), "7x5-bool"),
    ("collapse_sum", lambda x: topi.collapse_sum(x, [1, 5]), "7x5-f32"),
]

SHAPES: list[tuple[str, Compute, *tuple[str, ...]]] = [
    ("transpose", topi.transpose, "7x5-f32"),
    ("transpose_201", lambda x: topi.transpose(x, [2, 0, 1]), "3x1x9-i8"),
    ("flip", lambda x: topi.flip(x, 1), "7x5-f32"),
    ("reshape", lambda x: topi.reshape(x, [5, 7]), "7x5-f32"),
    ("reshape_3d", lambda x: topi.reshape(x, [2, 3, 4]), "4x6-i64"),
    ("squeeze", topi.squeeze, "3x1x9-f32"),
    ("expand_dims", lambda x: topi.expand_dims(x, 1, 2), "7x5-u8"),
    ("concatenate", lambda x, y: topi.concatenate([x, y], 1), "7x5-f32", "7x2-f32"),
    ("concatenate_3", lambda *x: topi.concatenate(x, 0), "2x3-i32", "1x3-i32", "4x3-i32"),
    ("stack", lambda x, y: topi.stack([x, y], 1), "7x5-f32", "7x5-f32"),
    ("split", lambda x: topi.split(x, [2, 5], 0), "7x5-f32"),
    ("strided_slice", lambda x: topi.strided_slice(x, [1, 0], [6, 5], [2, 3]), "7x5-f32"),
    ("strided_slice_back", lambda x: topi.strided_slice(x, [6, 4], [0, 0], [-2, -1]), "7x5-i32"),
    ("repeat", lambda x: topi.repeat(x, 3, 1), "4x3-f32"),
    ("tile", lambda x: topi.tile(x, [2, 3]), "4x3-i8"),
    ("broadcast_to", lambda x: topi.broadcast_to(x, [3, 4, 9]), "3x1x9-f32"),
    ("meshgrid", lambda x, y: topi.meshgrid([x, y], "ij"), "3-f32", "4-f32"),
    ("trilu_upper", lambda x: topi.trilu(x, constant(1, "int32"), True), "5x7-f32"),
    ("trilu_lower", lambda x: topi.trilu(x, constant(0, "int32"), False), "7x5-f32"),
    ("matrix_set_diag", topi.matrix_set_diag, "4x6-f32", "4-f32"),
    ("layout_transform", lambda x: topi.layout_transform(x, "NCHW", "NCHW4c"), "1x8x3x3-f32"),
    ("layout_back", lambda x: topi.layout_transform(x, "NCHW4c", "NHWC"), "1x2x3x3x4-f32"),
    ("sliding_window", lambda x: topi.sliding_window(x, 1, [2], [2]), "3x9-f32"),
    ("where", topi.where, "7x5-bool", "7x5-f32", "7x5-f32"),
    ("where_row", topi.where, "5-bool", "7x5-i32", "1-i32"),
    (
        "reverse_sequence",
        lambda x, n: topi.reverse_sequence(x, topi.add(index(n, 5), constant(1, "int32")), 1, 0),
        "7x5-f32",
        "7-i32",
    ),
    (
        "sequence_mask",
        lambda x, n: topi.sequence_mask(x, index(n, 8), mask_value=-1.0, axis=0),
        "7x5-f32",
        "5-i32",
    ),
]

INDEXING: list[tuple[str, Compute, *tuple[str, ...]]] = [
    ("take_clip", lambda x, i: topi.take(x, i, 0, mode="clip"), "7x5-f32", "4-i32"),
    ("take_wrap", lambda x, i: topi.take(x, i, 1, mode="wrap"), "7x5-f32", "2x3-i32"),
    ("take_flat", lambda x, i: topi.take(x, i, mode="clip"), "7x5-i8", "6-i64"),
    ("gather_0", lambda x, i: topi.gather(x, 0, index(i, 7)), "7x5-f32", "3x5-i32"),
    ("gather_1", lambda x, i: topi.gather(x, 1, index(i, 5)), "7x5-i32", "7x4-i64"),
    ("gather_nd", lambda x, i: topi.gather_nd(x, index(i, 5)), "7x5-f32", "2x4-i32"),
    ("one_hot", lambda i: topi.one_hot(i, 1.0, 0.0, 6, -1, "float32"), "7-i32"),
    ("one_hot_first", lambda i: topi.one_hot(i, 5, -1, 4, 0, "int8"), "7-i64"),
    ("adv_index", lambda x, i: topi.adv_index(x, [index(i, 7)]), "7x5-f32", "4-i32"),
    ("unravel_index", lambda i, s: topi.unravel_index(index(i, 9), nonzero(positive_shape(s))),
     "6-i32", "2-i32"),
    ("scatter_add", lambda x, i, u: topi.scatter_elements(x, index(i, 7), u, 0, "add"),
     "7x5-f32", "3x5-i32", "3x5-f32"),
    ("scatter_max", lambda x, i, u: topi.scatter_elements(x, index(i, 5), u, 1, "max"),
     "7x5-i32", "7x3-i64", "7x3-i32"),
    ("scatter_nd_add", lambda x, i, u: topi.scatter_nd(x, index(i, 5), u, "add"),
     "7x5-f32", "2x6-i32", "6-f32"),
    ("slice_scatter", lambda x, u: topi.slice_scatter(x, u, 0, 7, 1, 1), "4x7-f32", "4x7-f32"),
    ("sparse_to_dense", lambda i, v: topi.sparse_to_dense(index(i, 9), [9], v), "4-i32", "4-f32"),
    ("searchsorted", lambda x, v: topi.searchsorted(topi.cumsum(topi.abs(x), 0), v),
     "9-i32", "5-i32"),
]


def positive_shape(x: te.Tensor) -> te.Tensor:
    """Integers of at least 1, for dimensions that are inputs."""
    return topi.add(topi.abs(x), constant(1, x.dtype))


SCANS: list[tuple[str, Compute, str]] = [
    ("cumsum_axis1", lambda x: topi.cumsum(x, axis=1), "7x5-f32"),
    ("cumsum_axis0", lambda x: topi.cumsum(x, axis=0), "7x5-i32"),
    ("cumsum_exclusive", lambda x: topi.cumsum(x, axis=1, exclusive=True), "3x7-i64"),
    ("cumsum_flat", lambda x: topi.cumsum(x, axis=None, dtype="int32"), "3x5-i8"),
    ("cumprod", lambda x: topi.cumprod(x, axis=1), "4x5-f32"),
]

PRODUCTS: list[tuple[str, Compute, str, str]] = [
    ("matmul", topi.matmul, "7x5-f32", "5x6-f32"),
    ("matmul_both_transposed", lambda x, y: topi.matmul(x, y, True, True), "5x7-f32", "6x5-f32"),
    ("matmul", topi.matmul, "3x9-f16", "9x4-f16"),
    ("matmul", topi.matmul, "3x9-i32", "9x4-i32"),
    ("matmul", topi.matmul, "3x9-f64", "9x4-f64"),
    ("tensordot", lambda x, y: topi.tensordot(x, y, 2), "3x4x5-f32", "4x5x2-f32"),
    ("einsum", lambda x, y: topi.einsum("bij,bkj->bik", x, y), "2x3x5-f32", "2x4x5-f32"),
    ("einsum_trace", lambda x, y: topi.einsum("ij,ji->", x, y), "3x5-f32", "5x3-f32"),
]

CHAINS: list[tuple[str, Compute, *tuple[str, ...]]] = [
    ("matmul_bias_relu", lambda x, w, b: topi.nn.relu(topi.add(topi.matmul(x, w), b)),
     "7x5-f32", "5x6-f32", "6-f32"),
    ("mean_square", lambda x: topi.divide(topi.sum(topi.multiply(x, x), 1), 5.0), "7x5-f32"),
    ("sum_of_max", lambda x: topi.sum(topi.max(x, axis=2), axis=0), "3x4x5-f32"),
    ("cast_add_cast", lambda x, y: topi.cast(topi.add(topi.cast(x, "int32"), y), "int8"),
     "7x5-i8", "7x5-i32"),
]
