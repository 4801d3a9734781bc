"""Family "onnx": node cases of the ONNX project's own backend tests, imported and legalised.

A selection, because importing all 1,884 takes minutes, and many need indices in a range that random
inputs would leave. A node that the installed TVM can't import is left out.
"""

from __future__ import annotations

import warnings
from functools import cache, partial
from typing import Any

import numpy as np
from tvm import IRModule

from seeds.recipe import Recipe
from seeds.relax_lowering import largest_function

FAMILY = "onnx"


def recipes() -> list[Recipe]:
    """One recipe for each selected node."""
    return [Recipe(f"{FAMILY}/{node}", FAMILY, partial(build, node)) for node in NODES]


def build(node: str) -> IRModule:
    """The largest PrimFunc of the node's model, with its integer inputs replaced by constants.

    In these models shapes, axes and pads are inputs; as constants they make the program static.
    """
    from tvm.relax.frontend.onnx import from_onnx

    model, values = node_cases()[node]
    bound = type(model)()
    bound.CopyFrom(model)
    bind_inputs(bound, values)
    return largest_function(from_onnx(bound))


def bind_inputs(model: Any, values: list[np.ndarray]) -> None:
    """Replace the int64 inputs after the first, which are shapes and the like, by constants."""
    from onnx import numpy_helper

    inputs = list(model.graph.input)
    for place, (entry, value) in enumerate(zip(inputs, values, strict=False)):
        if place > 0 and isinstance(value, np.ndarray) and value.dtype == np.int64:
            model.graph.initializer.append(numpy_helper.from_array(value, entry.name))
            model.graph.input.remove(entry)


@cache
def node_cases() -> dict[str, tuple[Any, list[np.ndarray]]]:
    """The model and first input values of every node case, by name without "test_"."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():  # the cases overflow and divide by zero on purpose
        warnings.simplefilter("ignore")
        loaded = load_model_tests(kind="node")
    return {
        case.name.removeprefix("test_"): (case.model, list(case.data_sets[0][0]))
        for case in loaded
        if case.data_sets
    }


NODES: tuple[str, ...] = (
    "affine_grid_2d",
    "and_bcast4v2d",
    "argmax_keepdims_random_select_last_index",
    "argmin_no_keepdims_random",
    "averagepool_2d_ceil",
    "averagepool_2d_dilations",
    "basic_conv_with_padding",
    "bitwise_not_2d",
    "cast_FLOAT16_to_FLOAT",
    "cast_FLOAT_to_BFLOAT16",
    "clip_example",
    "concat_3d_axis_1",
    "conv_with_autopad_same",
    "conv_with_strides_and_asymmetric_padding",
    "convtranspose_1d",
    "convtranspose_output_shape",
    "depthtospace_crd_mode_example",
    "dequantizelinear",
    "div_bcast",
    "dynamicquantizelinear",
    "einsum_batch_matmul",
    "elu",
    "expand_dim_changed",
    "flatten_axis2",
    "gelu_default_1",
    "gelu_tanh_1",
    "gemm_all_attributes",
    "gemm_transposeB",
    "globalaveragepool",
    "greater_equal_bcast",
    "group_normalization_epsilon",
    "hardmax_axis_1",
    "hardsigmoid",
    "hardswish",
    "instancenorm_epsilon",
    "isinf_positive",
    "layer_normalization_2d_axis1",
    "layer_normalization_4d_axis2",
    "leakyrelu",
    "logsoftmax_axis_1",
    "lrn",
    "matmul_3d",
    "matmulinteger",
    "max_int16",
    "maxpool_2d_ceil",
    "maxpool_2d_uint8",
    "mean_example",
    "min_uint8",
    "not_3d",
    "prelu_broadcast",
    "quantizelinear",
    "reduce_l1_keep_dims_random",
    "reduce_l2_default_axes_keepdims_random",
    "reduce_log_sum_asc_axes",
    "reduce_log_sum_exp_do_not_keepdims_random",
    "reduce_max_negative_axes_keepdims_random",
    "reduce_mean_keepdims_random",
    "reduce_prod_do_not_keepdims_random",
    "reduce_sum_square_keepdims_random",
    "reflect_pad",
    "resize_upsample_sizes_nearest",
    "rms_normalization_3d_axis1_epsilon",
    "selu",
    "shrink_soft",
    "slice_neg_steps",
    "softmax_axis_0",
    "softmax_axis_1_expanded",
    "softplus",
    "softsign",
    "spacetodepth",
    "split_variable_parts_2d_opset18",
    "sum_example",
    "thresholdedrelu",
    "tile_precomputed",
    "transpose_all_permutations_3",
    "tril_neg",
    "triu_pos",
    "unsqueeze_three_axes",
    "where_example",
    "wrap_pad",
    "xor_bcast4v4d",
)
