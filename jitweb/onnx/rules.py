"""The table of rules: which operators are rewritten, by what, and in which opsets.

A rule takes the graph and a node, emits nodes of opset 20 and returns the names of the results. It
raises ValueError where it needs what isn't known; then the node stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import onnx

from jitweb.onnx import (
    attention,
    cache,
    cast_weights,
    convolution,
    dynamic,
    fused,
    grid_sample,
    opset,
    pool,
    qlinear,
    quantize,
    quantized,
    recurrent,
    resize,
)
from jitweb.onnx.graph import CONTRIB, Graph

ANY = 10**6


class Rule(NamedTuple):
    """Applies to nodes of opsets in [first, end) of the operator's domain."""

    rewrite: Callable[[Graph, onnx.NodeProto], list[str]]
    first: int = 1
    end: int = ANY


_REDUCTIONS = ("Max", "Min", "Mean", "Prod", "L1", "L2", "LogSum", "SumSquare")
_inputs: Any = opset.attributes_as_inputs

RULES: Mapping[tuple[str, str], Rule] = {
    ("", "Identity"): Rule(opset.drop),
    ("", "Dropout"): Rule(opset.drop),
    ("", "Cast"): Rule(opset.cast),
    ("", "Concat"): Rule(opset.concat),
    ("", "CastLike"): Rule(opset.cast_like),
    ("", "Squeeze"): Rule(opset.axes_as_input, end=13),
    ("", "Unsqueeze"): Rule(opset.axes_as_input, end=13),
    ("", "ReduceSum"): Rule(opset.axes_as_input, end=13),
    **{("", f"Reduce{each}"): Rule(opset.axes_as_input, end=18) for each in _REDUCTIONS},
    ("", "ReduceLogSumExp"): Rule(opset.reduce_log_sum_exp),
    ("", "Split"): Rule(opset.split),
    ("", "Compress"): Rule(opset.compress),
    ("", "ScatterND"): Rule(opset.scatter_some),
    ("", "ScatterElements"): Rule(opset.scatter_some),
    ("", "Softmax"): Rule(opset.softmax, end=13),
    ("", "LogSoftmax"): Rule(opset.softmax, end=13),
    ("", "Hardmax"): Rule(opset.softmax, end=13),
    ("", "Slice"): Rule(opset.slice_, end=10),
    ("", "TopK"): Rule(_inputs("k"), end=10),
    ("", "Clip"): Rule(_inputs("min", "max"), end=11),
    ("", "Pad"): Rule(_inputs("pads", "value"), end=11),
    ("", "Scatter"): Rule(opset.scatter),
    ("", "GroupNormalization"): Rule(opset.group_normalization),
    ("", "Swish"): Rule(opset.swish),
    ("", "BatchNormalization"): Rule(opset.batch_normalization),
    ("", "ThresholdedRelu"): Rule(opset.thresholded_relu),
    ("", "Celu"): Rule(opset.celu),
    ("", "LpNormalization"): Rule(opset.lp_normalization),
    ("", "Mul"): Rule(cast_weights.scaled),
    ("", "Pow"): Rule(opset.integer_power),
    ("", "Attention"): Rule(attention.attention),
    ("", "RotaryEmbedding"): Rule(attention.rotary_embedding),
    ("", "RMSNormalization"): Rule(fused.rms_normalization),
    ("", "Conv"): Rule(convolution.conv),
    ("", "ConvTranspose"): Rule(convolution.conv_transpose),
    ("", "DynamicQuantizeLinear"): Rule(dynamic.dynamic_quantize_linear),
    ("", "QuantizeLinear"): Rule(quantize.quantize_linear),
    ("", "DequantizeLinear"): Rule(quantize.dequantize),
    ("", "MatMulInteger"): Rule(quantized.matmul_integer),
    ("", "ConvInteger"): Rule(quantized.conv_integer),
    **{("", f"{each}Pool"): Rule(pool.pool) for each in ("Max", "Average", "Lp")},
    ("", "GridSample"): Rule(grid_sample.grid_sample),
    ("", "Resize"): Rule(resize.resize),
    ("", "Upsample"): Rule(resize.upsample),
    ("", "LSTM"): Rule(recurrent.lstm),
    ("", "GRU"): Rule(recurrent.gru),
    ("", "RNN"): Rule(recurrent.rnn),
    ("", "TensorScatter"): Rule(cache.tensor_scatter),
    ("", "QLinearMatMul"): Rule(qlinear.qlinear_matmul),
    ("", "QLinearConv"): Rule(qlinear.qlinear_conv),
    **{(CONTRIB, name): Rule(rule) for name, rule in qlinear.RULES.items()},
    (CONTRIB, "DynamicQuantizeMatMul"): Rule(quantized.dynamic_quantize_matmul),
    (CONTRIB, "MatMulIntegerToFloat"): Rule(quantized.matmul_integer_to_float),
    (CONTRIB, "MatMulNBits"): Rule(quantized.matmul_nbits),
    (CONTRIB, "GatherBlockQuantized"): Rule(quantized.gather_block_quantized),
    (CONTRIB, "SimplifiedLayerNormalization"): Rule(fused.rms_normalization),
    (CONTRIB, "SkipSimplifiedLayerNormalization"): Rule(fused.skip_simplified_layer_normalization),
    (CONTRIB, "SkipLayerNormalization"): Rule(fused.skip_layer_normalization),
    (CONTRIB, "EmbedLayerNormalization"): Rule(fused.embed_layer_normalization),
    (CONTRIB, "BiasAdd"): Rule(fused.bias_add),
    (CONTRIB, "Gelu"): Rule(fused.gelu_rule),
    (CONTRIB, "BiasGelu"): Rule(fused.gelu_rule),
    (CONTRIB, "FastGelu"): Rule(fused.fast_gelu),
    (CONTRIB, "QuickGelu"): Rule(fused.quick_gelu),
    (CONTRIB, "FusedMatMul"): Rule(fused.fused_matmul),
    (CONTRIB, "RotaryEmbedding"): Rule(attention.rotary_embedding_contrib),
    (CONTRIB, "Attention"): Rule(attention.attention_contrib),
    (CONTRIB, "MultiHeadAttention"): Rule(attention.multi_head_attention),
    (CONTRIB, "GroupQueryAttention"): Rule(attention.group_query_attention),
}


def rule_for(node: onnx.NodeProto, version: int) -> Callable[..., list[str]] | None:
    """The rule for a node of this opset of its domain, or None."""
    rule = RULES.get((node.domain, node.op_type))
    if rule is None or not rule.first <= version < rule.end:
        return None
    return rule.rewrite
