"""Family "layers": neural network layers of TVM's operator library (TOPI), on small odd shapes.

Convolutions of every kind, pooling, normalisation, activation, padding, image resizing. They have
the deepest loop nests, the most guards and the most index arithmetic of all seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import te, topi
from tvm.target import Target
from tvm.topi import image, nn, vision

from seeds.recipe import Recipe, from_operator
from seeds.topi_operators import constant, index, positive

FAMILY = "layers"
Layer = tuple[str, Callable[..., Any], *tuple[str, ...]]


def recipes() -> list[Recipe]:
    """The recipes of all layers, in a fixed order."""
    tables = (CONVOLUTIONS, TRANSPOSED, POOLING, DENSE, NORMS, ACTIVATIONS, PADDING, IMAGES)
    return [from_operator(FAMILY, *entry) for table in tables for entry in table]


def list_of(outputs: Any) -> list[te.Tensor]:
    """The tensors of an operator with several outputs."""
    return list(outputs)


def packed_conv2d(data: te.Tensor, kernel: te.Tensor) -> te.Tensor:
    """Convolution in a layout with a block of channels innermost."""
    with Target("llvm"):
        return nn.conv2d_NCHWc(data, kernel, 1, 1, 1, "NCHW4c", "NCHW4c")


CONVOLUTIONS: list[Layer] = [
    ("conv1d_ncw", lambda x, w: nn.conv1d_ncw(x, w, 1, "SAME"), "1x3x9-f32", "4x3x3-f32"),
    ("conv1d_nwc", lambda x, w: nn.conv1d_nwc(x, w, 2, "VALID"), "1x9x3-f32", "3x3x2-f32"),
    ("group_conv1d", lambda x, w: nn.group_conv1d_ncw(x, w, 1, 1, 1, 2), "1x4x7-f32", "4x2x3-f32"),
    ("conv2d_nchw", lambda x, w: nn.conv2d_nchw(x, w, 1, 1, 1), "1x3x7x5-f32", "4x3x3x3-f32"),
    ("conv2d_stride", lambda x, w: nn.conv2d_nchw(x, w, 2, 1, 1), "1x3x9x9-f32", "2x3x3x3-f32"),
    ("conv2d_dilated", lambda x, w: nn.conv2d_nchw(x, w, 1, 2, 2), "1x2x7x5-f32", "3x2x3x3-f32"),
    ("conv2d_pad_sides", lambda x, w: nn.conv2d_nchw(x, w, 1, (0, 1, 2, 1), 1),
     "1x2x5x5-f32", "2x2x2x3-f32"),
    ("conv2d_1x1", lambda x, w: nn.conv2d_nchw(x, w, 1, 0, 1), "2x3x5x3-f32", "4x3x1x1-f32"),
    ("conv2d_f16", lambda x, w: nn.conv2d_nchw(x, w, 1, 1, 1, "float32"),
     "1x2x5x5-f16", "3x2x3x3-f16"),
    ("conv2d_i8", lambda x, w: nn.conv2d_nchw(x, w, 1, 1, 1, "int32"), "1x3x5x5-i8", "2x3x3x3-i8"),
    ("conv2d_nhwc", lambda x, w: nn.conv2d_nhwc(x, w, 1, 1, 1), "1x7x5x3-f32", "3x3x3x2-f32"),
    ("conv2d_hwcn", lambda x, w: nn.conv2d_hwcn(x, w, 1, 1, 1), "5x5x3x1-f32", "3x3x3x2-f32"),
    ("conv2d_NCHWc", packed_conv2d,
     "1x1x5x5x4-f32", "1x1x3x3x4x4-f32"),
    ("group_conv2d", lambda x, w: nn.group_conv2d_nchw(x, w, 1, 1, 1, 2),
     "1x4x5x5-f32", "4x2x3x3-f32"),
    ("group_conv2d_nhwc", lambda x, w: nn.group_conv2d_nhwc(x, w, 1, 0, 1, 2),
     "1x5x5x4-f32", "3x3x2x4-f32"),
    ("depthwise_nchw", lambda x, w: nn.depthwise_conv2d_nchw(x, w, 1, 1, 1),
     "1x3x7x5-f32", "3x1x3x3-f32"),
    ("depthwise_nhwc", lambda x, w: nn.depthwise_conv2d_nhwc(x, w, 2, "SAME", 1),
     "1x7x5x3-f32", "3x3x3x2-f32"),
    ("winograd_nchw", lambda x, w: nn.conv2d_winograd_nchw(x, w, 1, 1, 1, "float32"),
     "1x2x4x4-f32", "2x2x3x3-f32"),
    ("conv3d_ncdhw", lambda x, w: nn.conv3d_ncdhw(x, w, 1, 1, 1, 1),
     "1x2x3x5x4-f32", "2x2x3x3x3-f32"),
    ("conv3d_ndhwc", lambda x, w: nn.conv3d_ndhwc(x, w, 1, 0, 1, 1),
     "1x3x5x4x2-f32", "2x3x2x2x2-f32"),
    ("correlation", lambda x, y: nn.correlation_nchw(x, y, 1, 1, 1, 1, 1, True),
     "1x2x5x5-f32", "1x2x5x5-f32"),
    ("deformable", lambda x, o, w: nn.deformable_conv2d_nchw(x, o, w, 1, 1, 1, 1, 1, "float32"),
     "1x2x4x4-f32", "1x18x4x4-f32", "2x2x3x3-f32"),
    ("dilation2d", lambda x, w: image.dilation2d_nchw(x, w, 1, 0, 1), "1x2x6x5-f32", "2x3x3-f32"),
    ("depthwise_grad_input",
     lambda w, g: nn.depthwise_conv2d_backward_input_nhwc(
         w, g, (1, 5, 5, 2), (1, 5, 5, 2), (1, 1), (1, 1)),
     "3x3x2x1-f32", "1x5x5x2-f32"),
]

TRANSPOSED: list[Layer] = [
    ("conv1d_transpose",
     lambda x, w: nn.conv1d_transpose_ncw(x, w, (2,), (1,), "float32", (0,)),
     "1x3x5-f32", "3x2x3-f32"),
    ("conv2d_transpose",
     lambda x, w: nn.conv2d_transpose_nchw(x, w, (2, 2), (1, 1), "float32", (1, 0)),
     "1x2x4x3-f32", "2x3x3x3-f32"),
    ("group_conv2d_transpose",
     lambda x, w: nn.group_conv2d_transpose_nchw(x, w, (1, 1), (0, 0), "float32", (0, 0), 2),
     "1x4x3x3-f32", "4x1x2x2-f32"),
    ("conv3d_transpose",
     lambda x, w: nn.conv3d_transpose_ncdhw(x, w, (1, 2, 1), (0, 1, 0), "float32", (0, 0, 0)),
     "1x2x2x3x3-f32", "2x1x2x3x2-f32"),
    ("dilate", lambda x: nn.dilate(x, [2, 3]), "4x3-f32"),
]


def pool(kind: str, **options: Any) -> Callable[[te.Tensor], te.Tensor]:
    """Pooling, by default 2×2; `options` override its arguments."""
    settings = {"kernel": (2, 2), "stride": (2, 2), "dilation": (1, 1), "padding": (0, 0, 0, 0)}
    return lambda x: nn.pool2d(x, pool_type=kind, **{**settings, **options})


POOLING: list[Layer] = [
    ("max_pool2d", pool("max"), "1x3x8x6-f32"),
    ("max_pool2d_pad", pool("max", kernel=(3, 3), padding=(1, 1, 1, 1)), "1x3x7x5-f32"),
    ("max_pool2d_ceil", pool("max", ceil_mode=True), "1x2x7x5-f32"),
    ("max_pool2d_dilated", pool("max", dilation=(2, 2), stride=(1, 1)), "1x2x7x5-f32"),
    ("max_pool2d", pool("max", kernel=(3, 2), padding=(1, 0, 1, 1)), "1x2x7x5-i8"),
    ("avg_pool2d", pool("avg"), "1x3x7x5-f32"),
    ("avg_pool2d_pad", pool("avg", kernel=(3, 3), padding=(1, 1, 1, 1)), "1x3x7x5-f32"),
    ("avg_pool2d_uncounted",
     pool("avg", kernel=(3, 3), padding=(1, 2, 1, 0), count_include_pad=False), "1x2x7x5-f32"),
    ("avg_pool2d_nhwc", pool("avg", layout="NHWC"), "1x7x5x3-f32"),
    ("avg_pool2d", pool("avg"), "1x3x7x5-i32"),
    ("max_pool1d", lambda x: nn.pool1d(x, (3,), (2,), (1,), (1, 1), "max"), "1x3x9-f32"),
    ("avg_pool3d",
     lambda x: nn.pool3d(x, (2, 2, 2), (1, 2, 2), (1, 1, 1), (0, 1, 0, 0, 0, 1), "avg"),
     "1x2x3x5x4-f32"),
    ("global_max", lambda x: nn.global_pool(x, "max"), "1x3x7x5-f32"),
    ("global_avg", lambda x: nn.global_pool(x, "avg", "NHWC"), "1x7x5x3-f32"),
    ("adaptive_avg", lambda x: nn.adaptive_pool(x, (3, 2), "avg"), "1x3x7x5-f32"),
    ("adaptive_max1d", lambda x: nn.adaptive_pool1d(x, (4,), "max"), "1x3x9-f32"),
    ("pool_grad",
     lambda g, x: nn.pool_grad(g, x, (2, 2), (2, 2), (0, 0, 0, 0), "avg"),
     "1x2x3x2-f32", "1x2x6x4-f32"),
    ("max_pool_grad",
     lambda g, x: nn.pool_grad(g, x, (2, 2), (2, 2), (0, 0, 0, 0), "max"),
     "1x2x3x2-f32", "1x2x6x4-f32"),
]

DENSE: list[Layer] = [
    ("dense", nn.dense, "3x7-f32", "5x7-f32"),
    ("dense_bias", nn.dense, "3x7-f32", "5x7-f32", "5-f32"),
    ("dense_f16", lambda x, w: nn.dense(x, w, out_dtype="float32"), "3x7-f16", "5x7-f16"),
    ("dense_i8", lambda x, w: nn.dense(x, w, out_dtype="int32"), "3x7-i8", "5x7-i8"),
    ("dense_bf16", nn.dense, "3x7-bf16", "5x7-bf16"),
    ("batch_matmul", nn.batch_matmul, "2x3x5-f32", "2x4x5-f32"),
    ("batch_matmul_i8", lambda x, y: nn.batch_matmul(x, y, None, "int32"),
     "2x3x5-i8", "2x4x5-i8"),
    ("batch_matmul_plain", lambda x, y: nn.batch_matmul(x, y, None, None, False, False),
     "1x3x5-f32", "2x5x4-f32"),
    ("binarize_pack", lambda x: nn.binarize_pack(x, 1), "3x32-f32"),
]

NORMS: list[Layer] = [
    ("softmax", nn.softmax, "7x5-f32"),
    ("softmax_axis0", lambda x: nn.softmax(x, 0), "7x5-f32"),
    ("softmax", nn.softmax, "3x9-f16"),
    ("fast_softmax", nn.fast_softmax, "7x5-f32"),
    ("log_softmax", nn.log_softmax, "7x5-f32"),
    ("layer_norm", lambda x, g, b: nn.layer_norm(x, g, b, [1]), "7x5-f32", "5-f32", "5-f32"),
    ("layer_norm_2", lambda x, g, b: nn.layer_norm(x, g, b, [1, 2]),
     "3x4x5-f32", "4x5-f32", "4x5-f32"),
    ("layer_norm", lambda x, g, b: nn.layer_norm(x, g, b, [1]), "3x9-f16", "9-f16", "9-f16"),
    ("rms_norm", lambda x, w: nn.rms_norm(x, w, [1]), "7x5-f32", "5-f32"),
    ("rms_norm", lambda x, w: nn.rms_norm(x, w, [1]), "3x9-f16", "9-f16"),
    ("instance_norm", lambda x, g, b: nn.instance_norm(x, g, b, 1, [2, 3]),
     "1x3x4x5-f32", "3-f32", "3-f32"),
    ("group_norm", lambda x, g, b: nn.group_norm(x, g, b, 2, 1, [2, 3]),
     "1x4x3x5-f32", "4-f32", "4-f32"),
    ("batch_norm",
     lambda x, g, b, m, v: list_of(nn.batch_norm(x, g, b, m, positive(v), axis=1)),
     "2x3x4x3-f32", "3-f32", "3-f32", "3-f32", "3-f32"),
    ("batch_norm_training",
     lambda x, g, b, m, v: list_of(nn.batch_norm(x, g, b, m, v, axis=1, training=True)),
     "2x3x4x3-f32", "3-f32", "3-f32", "3-f32", "3-f32"),
    ("lrn", lambda x: nn.lrn(x, 3), "1x5x4x3-f32"),
    ("nll_loss",
     lambda p, t, w: nn.nll_loss(p, index(t, 5), positive(w), "mean", -100),
     "7x5-f32", "7-i32", "5-f32"),
]

ACTIVATIONS: list[Layer] = [
    ("relu", nn.relu, "7x5-f32"),
    ("relu", nn.relu, "3x1x9-i32"),
    ("relu", nn.relu, "3x1x9-bf16"),
    ("leaky_relu", lambda x: nn.leaky_relu(x, 0.1), "7x5-f32"),
    ("prelu", nn.prelu, "1x3x4x5-f32", "3-f32"),
    ("softplus", nn.softplus, "7x5-f32"),
    ("scale_shift", nn.scale_shift_nchw, "1x3x4x5-f32", "3-f32", "3-f32"),
    ("silu", lambda x: topi.multiply(x, topi.sigmoid(x)), "7x5-f32"),
    ("hard_swish",
     lambda x: topi.divide(topi.multiply(x, topi.clip(topi.add(x, 3.0), 0.0, 6.0)), 6.0),
     "7x5-f32"),
]

PADDING: list[Layer] = [
    ("pad", lambda x: nn.pad(x, [1, 2], [0, 3]), "5x3-f32"),
    ("pad_value", lambda x: nn.pad(x, [2, 0, 1], None, constant(7, "int8")), "2x3x4-i8"),
    ("mirror_pad", lambda x: nn.mirror_pad(x, [2, 1], [1, 2], "REFLECT"), "5x4-f32"),
    ("mirror_pad_symmetric", lambda x: nn.mirror_pad(x, [2, 1], [1, 2], "SYMMETRIC"), "5x4-f32"),
    ("replicate_pad", lambda x: nn.replicate_pad(x, [1, 2], [2, 1]), "5x4-f32"),
    ("circular_pad", lambda x: nn.circular_pad(x, [1, 2], [2, 1]), "5x4-f32"),
    ("space_to_batch", lambda x: nn.space_to_batch_nd(x, [2, 2], [1, 0], [0, 1]), "1x5x3x2-f32"),
    ("space_to_depth", lambda x: nn.space_to_depth(x, 2), "1x2x6x4-f32"),
    ("depth_to_space", lambda x: nn.depth_to_space(x, 2, mode="CRD"), "1x8x3x2-f32"),
    ("fifo_buffer", lambda x, b: nn.fifo_buffer(x, b, 1), "3x2-f32", "3x7-f32"),
    ("flatten", nn.flatten, "2x3x2x3-f32"),
]


def resize(method: str, mode: str = "half_pixel", rounding: str = "") -> Callable[..., te.Tensor]:
    """Resizing of an NCHW tensor to 7×8."""
    return lambda x: image.resize2d(
        x, (0.0,) * 4, (7, 8), "NCHW", method, mode, rounding
    )


IMAGES: list[Layer] = [
    ("resize_nearest", resize("nearest_neighbor", "asymmetric", "floor"), "1x2x4x5-f32"),
    ("resize_nearest_round", resize("nearest_neighbor", "align_corners", "round"), "1x2x4x5-i32"),
    ("resize_linear", resize("linear"), "1x2x4x5-f32"),
    ("resize_linear_corners", resize("linear", "align_corners"), "1x2x4x5-f32"),
    ("resize_cubic", resize("cubic"), "1x1x4x5-f32"),
    ("resize1d", lambda x: image.resize1d(x, (0.0, 0.0), (7,)), "1x2x4-f32"),
    ("upsampling", lambda x: nn.upsampling(x, 2, 3), "1x2x4x3-f32"),
    ("grid_sample", lambda x, g: image.grid_sample(x, g), "1x2x4x5-f32", "1x2x3x4-f32"),
    ("grid_sample_border",
     lambda x, g: image.grid_sample(x, g, "nearest", padding_mode="border"),
     "1x2x4x5-f32", "1x2x3x4-f32"),
    ("affine_grid", lambda x: image.affine_grid(x, (4, 5)), "1x2x3-f32"),
    ("roi_align",
     lambda x, r: vision.roi_align_nchw(x, topi.abs(r), (2, 2), 1.0, "avg", 2),
     "9x2x6x6-f32", "3x5-f32"),
]
