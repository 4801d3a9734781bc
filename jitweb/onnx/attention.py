"""Attention and rotary embeddings, as matmuls and softmax.

The standard operators of opset 23, and of onnxruntime's domain Attention, MultiHeadAttention,
GroupQueryAttention and RotaryEmbedding. Inside, queries, keys and values are [batch, heads, length,
size]. Queries of several heads that share keys are one longer matmul, so that no key is copied.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx

from jitweb.errors import JitwebError
from jitweb.onnx.cache import causal_from, cleared, written
from jitweb.onnx.fused import scaled, swap_last
from jitweb.onnx.graph import Graph, attributes, operands

BOOL, INT64, INT32 = onnx.TensorProto.BOOL, onnx.TensorProto.INT64, onnx.TensorProto.INT32


def reshape(graph: Graph, name: str, *shape: int) -> str:
    """The value in another shape."""
    return graph.op("Reshape", name, graph.constant(np.array(shape, np.int64)))


def split_heads(graph: Graph, name: str, heads: int) -> str:
    """[batch, length, heads · size] as [batch, heads, length, size]."""
    batch, length, hidden = graph.shape(name)
    parts = reshape(graph, name, batch, length, heads, hidden // heads)
    return graph.op("Transpose", parts, perm=[0, 2, 1, 3])


def merge_heads(graph: Graph, name: str) -> str:
    """[batch, heads, length, size] as [batch, length, heads · size]."""
    batch, heads, length, size = graph.shape(name)
    turned = graph.op("Transpose", name, perm=[0, 2, 1, 3])
    return reshape(graph, turned, batch, length, heads * size)


def attend(
    graph: Graph,
    query: str,
    key: str,
    value: str,
    masks: list[str],
    scale: float,
    softcap: float = 0.0,
) -> str:
    """softmax(cap(scale · Q Kᵀ) + masks) V; the masks are added to [batch, heads, query, key]."""
    batch, heads, length, size = graph.shape(query)
    shared, keys = graph.shape(key)[1], graph.shape(key)[2]
    together = (batch, shared, heads // shared * length)
    if shared != heads:
        query = reshape(graph, query, *together, size)
    scores = scaled(graph, graph.op("MatMul", query, swap_last(graph, key)), scale)
    if softcap:
        capped = graph.op("Tanh", scaled(graph, scores, 1 / softcap))
        scores = scaled(graph, capped, softcap)
    if masks and shared != heads:
        scores = reshape(graph, scores, batch, heads, length, keys)
    for mask in masks:
        scores = graph.op("Add", scores, mask)
    if masks and shared != heads:
        scores = reshape(graph, scores, *together, keys)
    result = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
    if shared == heads:
        return result
    return reshape(graph, result, batch, heads, length, graph.shape(value)[3])


def additive(graph: Graph, mask: str, dtype: int, masked: float = -math.inf) -> str:
    """A mask of bool or integers (true or not zero: seen) as numbers to add."""
    seen = mask if graph.dtype(mask) == BOOL else graph.op("Cast", mask, to=BOOL)
    return graph.op("Where", seen, graph.constant(0.0, dtype), graph.constant(masked, dtype))


def causal(
    graph: Graph, queries: int, keys: int, past: int, dtype: int, masked: float, window: int = -1
) -> str:
    """The mask by which a query sees itself and the keys before it (the last `window` of them)."""
    distance = np.arange(queries)[:, None] + past - np.arange(keys)[None, :]
    seen = (distance >= 0) & ((distance < window) | (window < 0))
    return graph.constant(np.where(seen, 0.0, masked), dtype)


def with_past(graph: Graph, past: str, new: str) -> str:
    """Keys or values with those of the cache before them."""
    return graph.op("Concat", past, new, axis=2) if past and graph.shape(past)[2] else new


# --------------------------------------------------------------------------------- opset 23 and 24


def attention(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Attention of opset 23."""
    query, key, value, mask, past_key, past_value, lengths = operands(node, 7)
    given = attributes(node)
    if len(node.output) > 3 and node.output[3]:
        raise ValueError("an Attention that returns its scores")
    is_flat = len(graph.shape(query)) == 3
    if is_flat:
        query = split_heads(graph, query, given["q_num_heads"])
        key = split_heads(graph, key, given["kv_num_heads"])
        value = split_heads(graph, value, given["kv_num_heads"])
    past = graph.shape(past_key)[2] if past_key else 0
    key, value = with_past(graph, past_key, key), with_past(graph, past_value, value)
    dtype, (_, _, length, size) = graph.dtype(query), graph.shape(query)
    masks = []
    keys = graph.shape(key)[2]
    if mask:
        mask = additive(graph, mask, dtype) if graph.dtype(mask) == BOOL else mask
        *others, seen = graph.shape(mask)
        if 1 < seen < keys:
            rest = graph.constant(np.full([*others, keys - seen], -math.inf), dtype)
            mask = graph.op("Concat", mask, rest, axis=-1)
        masks.append(mask)
    if lengths and given.get("is_causal"):  # the last of those keys are the queries' own
        starts = graph.op("Sub", lengths, graph.constant(length, graph.dtype(lengths)))
        masks.append(causal_from(graph, starts, length, keys, dtype))
    elif lengths:
        batch = graph.shape(lengths)[0]
        masks += _contrib_masks(graph, lengths, batch, length, keys, dtype, -math.inf)
    elif given.get("is_causal"):
        masks.append(causal(graph, length, keys, past, dtype, -math.inf))
    scale = given.get("scale", 0.0) or 1 / math.sqrt(size)
    if len(masks) > 1:
        masks = [graph.op("Add", *masks)]
    result = attend(graph, query, key, value, masks, scale, given.get("softcap", 0.0))
    unseeing = _unseeing(graph, masks[0]) if masks else ""
    if unseeing:
        result = graph.op("Where", unseeing, graph.constant(0.0, dtype), result)
    return [merge_heads(graph, result) if is_flat else result, key, value]


def _unseeing(graph: Graph, mask: str) -> str:
    """The queries that see no key, whose result is zero; "" if there are none."""
    known = graph.value(mask)
    if known is not None and np.all(np.max(known, axis=-1) > -math.inf):
        return ""
    if mask not in graph.unseeing:
        most = graph.op("ReduceMax", mask, graph.constant(np.array([-1])), keepdims=1)
        infinite = graph.constant(-math.inf, graph.dtype(mask))
        graph.unseeing[mask] = graph.op("Equal", most, infinite)
    return graph.unseeing[mask]


def rotary_embedding(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """RotaryEmbedding of opset 23: the caches are by position, or by batch and place."""
    x, cos, sin, positions = operands(node, 4)
    return [_rotated_input(graph, x, positions, cos, sin, attributes(node))]


def rotary_embedding_contrib(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """RotaryEmbedding of onnxruntime: a position each, or the first one."""
    x, positions, cos, sin = operands(node, 4)
    given = attributes(node)
    if graph.shape(positions) == (1,):
        shape = graph.shape(x)
        length = shape[-2]
        steps = graph.constant(np.arange(length)[None], graph.dtype(positions))
        positions = graph.op("Add", steps, positions)
        if shape[0] != 1:
            to = graph.constant(np.array([shape[0], length]))
            positions = graph.op("Expand", positions, to)
    if given.get("scale", 1.0) != 1.0 or given.get("is_packed_batching"):
        raise ValueError("a RotaryEmbedding with a scale, or of packed batches")
    return [_rotated_input(graph, x, positions, cos, sin, given)]


def _rotated_input(
    graph: Graph, x: str, positions: str, cos: str, sin: str, given: dict[str, Any]
) -> str:
    """Rotate [batch, heads, length, size], or [batch, length, hidden]."""
    is_flat = len(graph.shape(x)) == 3
    if is_flat:
        heads, hidden = given.get("num_heads", 0), graph.shape(x)[2]
        if not heads:
            heads = hidden // (2 * graph.shape(cos)[-1])
        x = split_heads(graph, x, heads)
    if positions:
        cos, sin = graph.op("Gather", cos, positions), graph.op("Gather", sin, positions)
    size = given.get("rotary_embedding_dim", 0) or graph.shape(x)[-1]
    result = rotate(graph, x, cos, sin, size, bool(given.get("interleaved", 0)))
    return merge_heads(graph, result) if is_flat else result


def rotate(graph: Graph, x: str, cos: str, sin: str, size: int, is_interleaved: bool) -> str:
    """The first `size` of each head rotated; cos and sin are [batch, length, size / 2]."""
    batch, heads, length, whole = graph.shape(x)
    half = size // 2
    cos, sin = (
        reshape(graph, each, graph.shape(each)[0], 1, length, graph.shape(each)[-1])
        for each in (cos, sin)
    )
    rest = ""
    if size != whole:
        x, rest = cut(graph, x, 0, size), cut(graph, x, size, whole)
    if is_interleaved:
        pairs = reshape(graph, x, batch, heads, length, half, 2)
        flat = (batch, heads, length, half)
        left = reshape(graph, cut(graph, pairs, 0, 1), *flat)
        right = reshape(graph, cut(graph, pairs, 1, 2), *flat)
    else:
        left, right = cut(graph, x, 0, half), cut(graph, x, half, size)
    real = graph.op("Sub", graph.op("Mul", left, cos), graph.op("Mul", right, sin))
    imaginary = graph.op("Add", graph.op("Mul", left, sin), graph.op("Mul", right, cos))
    if is_interleaved:
        real, imaginary = (
            reshape(graph, each, batch, heads, length, half, 1) for each in (real, imaginary)
        )
    joined = graph.op("Concat", real, imaginary, axis=-1)
    joined = reshape(graph, joined, batch, heads, length, size) if is_interleaved else joined
    return graph.op("Concat", joined, rest, axis=-1) if rest else joined


def cut(graph: Graph, name: str, start: int, end: int) -> str:
    """A part of the last axis."""
    bounds = (graph.constant(np.array([each])) for each in (start, end, -1))
    return graph.op("Slice", name, *bounds)


# ------------------------------------------------------------------------------------- onnxruntime


def _contrib_masks(
    graph: Graph, mask: str, batch: int, queries: int, keys: int, dtype: int, masked: float
) -> list[str]:
    """A mask of onnxruntime as one to add: of lengths [batch], or of what is seen."""
    if not mask:
        return []
    shape = graph.shape(mask)
    if len(shape) == 1 and shape[0] == batch:
        places = graph.constant(np.arange(keys)[None], graph.dtype(mask))
        mask = graph.op("Less", places, reshape(graph, mask, batch, 1))
        shape = (batch, keys)
    if len(shape) not in (2, 3) or shape[-1] != keys:
        raise ValueError(f"an attention mask of the shape {shape}")
    middle = (1, 1) if len(shape) == 2 else (1, queries)
    return [additive(graph, reshape(graph, mask, batch, *middle, keys), dtype, masked)]


def attention_contrib(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Attention of onnxruntime: the projections of queries, keys and values are part of it."""
    x, weights, bias, mask, past, attention_bias, past_length = operands(node, 7)
    if past_length:
        raise ValueError("an Attention with a shared cache")
    flat = graph.op("MatMul", x, weights)
    flat = graph.op("Add", flat, bias) if bias else flat
    return attend_packed(graph, node, flat, mask, past, attention_bias)


def attend_packed(
    graph: Graph, node: onnx.NodeProto, flat: str, mask: str, past: str, attention_bias: str = ""
) -> list[str]:
    """What follows the projections, where those of queries, keys and values lie side by side."""
    given, total = attributes(node), graph.shape(flat)[-1]
    heads, masked = given["num_heads"], given.get("mask_filter_value", -10000.0)
    if given.get("do_rotary"):
        raise ValueError("an Attention that rotates")
    sizes = given.get("qkv_hidden_sizes", [total // 3] * 3)
    bounds = graph.constant(np.array(sizes))
    query, key, value = (
        split_heads(graph, part, heads) for part in graph.ops("Split", [flat, bounds], 3, axis=-1)
    )
    before, present = 0, ""
    if past:
        before = graph.shape(past)[3]
        parts = graph.ops("Split", [past], 2, axis=0, num_outputs=2)
        old = [reshape(graph, part, *graph.shape(past)[1:]) for part in parts]
        key, value = with_past(graph, old[0], key), with_past(graph, old[1], value)
    if len(node.output) > 1 and node.output[1]:
        pair = [reshape(graph, each, 1, *graph.shape(each)) for each in (key, value)]
        present = graph.op("Concat", *pair, axis=0)
    dtype, (batch, _, length, size) = graph.dtype(query), graph.shape(query)
    keys = graph.shape(key)[2]
    masks = _contrib_masks(graph, mask, batch, length, keys, dtype, masked)
    if given.get("unidirectional"):
        masks.append(causal(graph, length, keys, before, dtype, masked))
    masks += [attention_bias] if attention_bias else []
    scale = given.get("scale", 0.0) or 1 / math.sqrt(size)
    return [merge_heads(graph, attend(graph, query, key, value, masks, scale)), present]


def multi_head_attention(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """MultiHeadAttention of onnxruntime, of separate queries, keys and values."""
    query, key, value, bias, padding, attention_bias, past_key, past_value, length_ = operands(
        node, 9
    )
    given = attributes(node)
    heads, masked = given["num_heads"], given.get("mask_filter_value", -10000.0)
    if not key or not value or length_ or len(graph.shape(query)) != 3:
        raise ValueError("a MultiHeadAttention of packed inputs, or with a shared cache")
    if bias:
        hidden = graph.shape(query)[2]
        sizes = [hidden, hidden, graph.shape(bias)[0] - 2 * hidden]
        parts = graph.ops("Split", [bias, graph.constant(np.array(sizes))], 3, axis=0)
        query = graph.op("Add", query, parts[0])
        if len(graph.shape(key)) == 3:
            key, value = graph.op("Add", key, parts[1]), graph.op("Add", value, parts[2])
    query = split_heads(graph, query, heads)
    if len(graph.shape(key)) == 3:
        key, value = split_heads(graph, key, heads), split_heads(graph, value, heads)
    before = graph.shape(past_key)[2] if past_key else 0
    key, value = with_past(graph, past_key, key), with_past(graph, past_value, value)
    dtype, (batch, _, length, size) = graph.dtype(query), graph.shape(query)
    keys = graph.shape(key)[2]
    masks = _contrib_masks(graph, padding, batch, length, keys, dtype, masked)
    if given.get("unidirectional"):
        masks.append(causal(graph, length, keys, before, dtype, masked))
    masks += [attention_bias] if attention_bias else []
    scale = given.get("scale", 0.0) or 1 / math.sqrt(size)
    return [merge_heads(graph, attend(graph, query, key, value, masks, scale)), key, value]


def group_query_attention(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """GroupQueryAttention of onnxruntime: causal, with a cache that grows by the new keys.

    Or with one of a fixed length, as long as the whole sequence (total_sequence_length) or longer,
    which past and present share: seqlens_k says how much of it is filled, less one. With a cache
    that grows every past key is one that is seen, which is what seqlens_k says there.
    """
    names = operands(node, 12)
    query, key, value, past_key, past_value, lengths, whole, cos, sin, places, bias, sink = names
    given = attributes(node)
    heads, shared = given["num_heads"], given["kv_num_heads"]
    if sink or given.get("smooth_softmax", 0) > 0:
        raise ValueError("a GroupQueryAttention with a smooth softmax")
    if not key:  # packed: queries, keys and values side by side
        size = graph.shape(query)[2] // (heads + 2 * shared)
        bounds = graph.constant(np.array([heads * size, shared * size, shared * size]))
        query, key, value = graph.ops("Split", [query, bounds], 3, axis=-1)
    query = split_heads(graph, query, heads)
    key, value = split_heads(graph, key, shared), split_heads(graph, value, shared)
    batch, _, length, size = graph.shape(query)
    past = graph.shape(past_key)[2] if past_key else 0
    starts = _starts_in_buffer(graph, past, length, lengths, whole)
    if given.get("do_rotary"):
        places = places or _places(graph, starts, past, batch, length)
        cos, sin = graph.op("Gather", cos, places), graph.op("Gather", sin, places)
        turned, is_interleaved = 2 * graph.shape(cos)[-1], bool(given.get("rotary_interleaved"))
        query = rotate(graph, query, cos, sin, turned, is_interleaved)
        key = rotate(graph, key, cos, sin, turned, is_interleaved)
    window, dtype = given.get("local_window_size", -1), graph.dtype(query)
    if starts:
        ends = graph.op("Add", starts, graph.constant(length, INT64))
        key, value = (
            cleared(graph, written(graph, old, new, starts, 2), ends, 2)
            for old, new in ((past_key, key), (past_value, value))
        )
        masks = [causal_from(graph, starts, length, past, dtype, window)]
    else:
        key, value = with_past(graph, past_key, key), with_past(graph, past_value, value)
        masks = [causal(graph, length, graph.shape(key)[2], past, dtype, -math.inf, window)]
    masks += [bias] if bias else []
    scale = given.get("scale", 0.0) or 1 / math.sqrt(size)
    result = attend(graph, query, key, value, masks, scale, given.get("softcap", 0.0))
    return [merge_heads(graph, result), key, value]


def _starts_in_buffer(graph: Graph, past: int, length: int, lengths: str, whole: str) -> str:
    """Where the new keys of each batch go in a cache of a fixed length; "" if it is one that grows.

    The whole sequence is then no longer than the cache. Where it is as long as the new keys, there
    are none before them.
    """
    if not past:
        return ""
    total = graph.value(whole)
    if total is None:
        raise JitwebError(
            f"whether the cache grows is decided by {whole}: fix it, such as with "
            f"--set {whole}={past}, to {past} or less for a cache of a fixed length"
        )
    if int(total.reshape(-1)[0]) > past:
        return ""
    batch = math.prod(graph.shape(lengths))
    if int(total.reshape(-1)[0]) == length:
        return graph.constant(np.zeros(batch), INT64)
    flat = reshape(graph, graph.op("Cast", lengths, to=INT64), batch)
    return graph.op("Sub", flat, graph.constant(length - 1, INT64))


def _places(graph: Graph, starts: str, past: int, batch: int, length: int) -> str:
    """The position of each new key, [batch, length]."""
    if not starts:
        rows = np.broadcast_to(np.arange(past, past + length), (batch, length))
        return graph.constant(rows, INT64)
    steps = graph.constant(np.arange(length)[None], INT64)
    return graph.op("Add", reshape(graph, starts, batch, 1), steps)
