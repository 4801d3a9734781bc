"""Family "transformer": the kernels of transformer models, in tensor expressions and TVMScript.

Attention (whole and in parts), normalisation, activations, rotary embedding, key-value cache,
quantised matrix products, embeddings and the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from tvm import te, tirx, topi
from tvm.topi import nn

from seeds.recipe import Recipe, from_operator, from_script
from seeds.topi_operators import constant, index

FAMILY = "transformer"


def recipes() -> list[Recipe]:
    """The kernels in tensor expressions, then those in TVMScript."""
    return [
        *(from_operator(FAMILY, *kernel) for kernel in KERNELS),
        *(Recipe(f"{FAMILY}/{name}", FAMILY, partial(from_script, text))
          for name, text in PROGRAMS.items()),
    ]


def attention_scores(query: te.Tensor, key: te.Tensor) -> te.Tensor:
    """Scaled dot products of every query with every key, for each head."""
    heads, rows, width = query.shape
    k = te.reduce_axis((0, width), "k")
    scale = constant(1.0 / math.sqrt(int(width)), query.dtype)
    return te.compute(
        (heads, rows, key.shape[1]),
        lambda h, i, j: te.sum(query[h, i, k] * key[h, j, k] * scale, axis=k),
        name="scores",
    )


def attention_context(weights: te.Tensor, value: te.Tensor) -> te.Tensor:
    """The attention-weighted sums of the values."""
    heads, rows, length = weights.shape
    k = te.reduce_axis((0, length), "k")
    return te.compute(
        (heads, rows, value.shape[2]),
        lambda h, i, d: te.sum(weights[h, i, k] * value[h, k, d], axis=k),
        name="context",
    )


def causal_mask(scores: te.Tensor) -> te.Tensor:
    """The scores, with those of keys after the query replaced by a large negative number."""
    return te.compute(
        scores.shape,
        lambda h, i, j: tirx.if_then_else(j <= i, scores[h, i, j], constant(-1e4, scores.dtype)),
        name="masked",
    )


def attention(query: te.Tensor, key: te.Tensor, value: te.Tensor) -> te.Tensor:
    """Scores, softmax and context in one program."""
    return attention_context(nn.softmax(attention_scores(query, key)), value)


def causal_attention(query: te.Tensor, key: te.Tensor, value: te.Tensor) -> te.Tensor:
    """Attention of each position to itself and earlier ones."""
    return attention_context(nn.softmax(causal_mask(attention_scores(query, key))), value)


def grouped_scores(query: te.Tensor, key: te.Tensor) -> te.Tensor:
    """Scores where several query heads share a key head."""
    heads, rows, width = query.shape
    share = int(heads) // int(key.shape[0])
    k = te.reduce_axis((0, width), "k")
    return te.compute(
        (heads, rows, key.shape[1]),
        lambda h, i, j: te.sum(query[h, i, k] * key[h // share, j, k], axis=k),
        name="grouped",
    )


def gelu_erf(x: te.Tensor) -> te.Tensor:
    """The Gaussian error linear unit (GELU), exact."""
    half, root = constant(0.5, x.dtype), constant(math.sqrt(0.5), x.dtype)
    one = constant(1.0, x.dtype)
    return te.compute(x.shape, lambda *i: x(*i) * half * (one + tirx.erf(x(*i) * root)), name="gelu")


def gelu_tanh(x: te.Tensor) -> te.Tensor:
    """The tanh approximation of the Gaussian error linear unit."""
    scale, cubic = constant(math.sqrt(2 / math.pi), x.dtype), constant(0.044715, x.dtype)
    half, one = constant(0.5, x.dtype), constant(1.0, x.dtype)

    def unit(*i: Any) -> Any:
        v = x(*i)
        return half * v * (one + tirx.tanh(scale * (v + cubic * v * v * v)))

    return te.compute(x.shape, unit, name="gelu_tanh")


def rotary(x: te.Tensor, cosine: te.Tensor, sine: te.Tensor) -> te.Tensor:
    """Rotary embedding that rotates the halves of each vector; x is (heads, positions, width)."""
    half = int(x.shape[2]) // 2

    def rotated(h: Any, p: Any, d: Any) -> Any:
        other = tirx.if_then_else(d < half, -x[h, p, d + half], x[h, p, d - half])
        return x[h, p, d] * cosine[p, d % half] + other * sine[p, d % half]

    return te.compute(x.shape, rotated, name="rotary")


def rotary_interleaved(x: te.Tensor, cosine: te.Tensor, sine: te.Tensor) -> te.Tensor:
    """Rotary embedding that rotates adjacent pairs."""

    def rotated(h: Any, p: Any, d: Any) -> Any:
        # Not Select: it evaluates both sides, and TVM simplifies each under the condition, so that
        # the other one may be out of range.
        other = tirx.if_then_else(d % 2 == 0, -x[h, p, d + 1], x[h, p, d - 1])
        return x[h, p, d] * cosine[p, d // 2] + other * sine[p, d // 2]

    return te.compute(x.shape, rotated, name="rotary")


def quantised_matmul(x: te.Tensor, w: te.Tensor) -> te.Tensor:
    """An int8 matrix times a transposed int8 matrix, in int32."""
    k = te.reduce_axis((0, x.shape[1]), "k")
    return te.compute(
        (x.shape[0], w.shape[0]),
        lambda i, j: te.sum(x[i, k].astype("int32") * w[j, k].astype("int32"), axis=k),
        name="quantised",
    )


def requantise(x: te.Tensor) -> te.Tensor:
    """int32 sums scaled, rounded and saturated to int8."""
    low, high = constant(-128.0, "float32"), constant(127.0, "float32")
    return te.compute(
        x.shape,
        lambda *i: tirx.max(
            tirx.min(tirx.round(x(*i).astype("float32") * constant(0.0625, "float32")), high), low
        ).astype("int8"),
        name="requantised",
    )


def four_bit_matmul(x: te.Tensor, packed: te.Tensor) -> te.Tensor:
    """A float32 matrix times four-bit weights, two in each byte."""
    k = te.reduce_axis((0, x.shape[1]), "k")

    def weight(j: Any) -> Any:
        byte = packed[j, k // 2].astype("int32")
        return ((byte >> ((k % 2) * 4)) & 15) - 8

    return te.compute(
        (x.shape[0], packed.shape[0]),
        lambda i, j: te.sum(x[i, k] * weight(j).astype("float32"), axis=k),
        name="four_bit",
    )


def swiglu(x: te.Tensor, gate: te.Tensor, up: te.Tensor) -> te.Tensor:
    """The SwiGLU feed-forward layer."""
    left, right = topi.matmul(x, gate), topi.matmul(x, up)
    return topi.multiply(topi.multiply(left, topi.sigmoid(left)), right)


def cross_entropy(logits: te.Tensor, labels: te.Tensor) -> te.Tensor:
    """The negative log-probability of each label."""
    scores = nn.log_softmax(logits)
    safe = index(labels, int(logits.shape[1]))
    return te.compute((logits.shape[0],), lambda i: -scores[i, safe[i]], name="loss")


KERNELS: list[tuple[str, Callable[..., Any], *tuple[str, ...]]] = [
    ("scores", attention_scores, "2x5x4-f32", "2x7x4-f32"),
    ("scores", attention_scores, "2x4x8-f16", "2x4x8-f16"),
    ("context", attention_context, "2x5x7-f32", "2x7x4-f32"),
    ("grouped_scores", grouped_scores, "4x3x4-f32", "2x5x4-f32"),
    ("softmax", nn.softmax, "2x5x7-f32"),
    ("masked_softmax", lambda x: nn.softmax(causal_mask(x)), "2x5x5-f32"),
    ("attention", attention, "2x3x4-f32", "2x5x4-f32", "2x5x4-f32"),
    ("causal_attention", causal_attention, "2x4x4-f32", "2x4x4-f32", "2x4x4-f32"),
    ("causal_attention", causal_attention, "1x4x4-f16", "1x4x4-f16", "1x4x4-f16"),
    ("padding_mask", lambda s, m: topi.where(m, s, topi.full_like(s, -1e4)), "4x6-f32", "6-bool"),
    ("layer_norm", lambda x, g, b: nn.layer_norm(x, g, b, [2]), "2x3x8-f32", "8-f32", "8-f32"),
    ("residual_layer_norm", lambda x, y, g, b: nn.layer_norm(topi.add(x, y), g, b, [1]),
     "5x8-f32", "5x8-f32", "8-f32", "8-f32"),
    ("rms_norm", lambda x, w: nn.rms_norm(x, w, [2]), "2x3x8-f32", "8-f32"),
    ("gelu_erf", gelu_erf, "3x11-f32"),
    ("gelu_tanh", gelu_tanh, "3x11-f32"),
    ("gelu_tanh", gelu_tanh, "3x8-f16"),
    ("rotary", rotary, "2x5x6-f32", "5x3-f32", "5x3-f32"),
    ("rotary_interleaved", rotary_interleaved, "2x5x6-f32", "5x3-f32", "5x3-f32"),
    ("quantised_matmul", quantised_matmul, "5x12-i8", "4x12-i8"),
    ("quantised_requantised", lambda x, w: requantise(quantised_matmul(x, w)), "5x9-i8", "4x9-i8"),
    ("four_bit_matmul", four_bit_matmul, "3x8-f32", "5x4-u8"),
    ("dequantise_rows",
     lambda x, s: te.compute(x.shape, lambda i, j: x[i, j].astype("float32") * s[i]),
     "5x8-i8", "5-f32"),
    ("swiglu", swiglu, "3x5-f32", "5x7-f32", "5x7-f32"),
    ("feed_forward", lambda x, w, b, v: topi.matmul(gelu_erf(topi.add(topi.matmul(x, w), b)), v),
     "3x5-f32", "5x7-f32", "7-f32", "7x5-f32"),
    ("projection_with_bias", lambda x, w, b: topi.add(nn.dense(x, w), b),
     "4x6-f32", "9x6-f32", "9-f32"),
    ("split_heads", lambda x: topi.transpose(topi.reshape(x, (5, 2, 4)), [1, 0, 2]), "5x8-f32"),
    ("merge_heads", lambda x: topi.reshape(topi.transpose(x, [1, 0, 2]), (5, 8)), "2x5x4-f32"),
    ("embedding", lambda t, w: topi.take(w, t, 0, mode="clip"), "6-i32", "9x5-f32"),
    ("embedding_with_positions",
     lambda t, w, p: topi.add(topi.take(w, index(t, 9), 0, mode="clip"), p),
     "2x4-i64", "9x5-f32", "4x5-f32"),
    ("cross_entropy", cross_entropy, "4x7-f32", "4-i32"),
    ("greedy_token", lambda x: topi.argmax(x, axis=1), "3x17-f32"),
    ("mean_pool", lambda x: topi.divide(topi.sum(x, 1), 5.0), "3x5x4-f32"),
]

PROGRAMS = {
    "kv-cache-append": """
def main(K: T.Buffer((2, 8, 4), "float32"), new: T.Buffer((2, 4), "float32"), length: T.int32):
    for h, d in T.grid(2, 4):
        with T.sblock("append"):
            vh, vd = T.axis.remap("SS", [h, d])
            K[vh, T.floormod(length, 8), vd] = new[vh, vd]
""",
    "kv-cache-attention": """
def main(Q: T.Buffer((2, 4), "float32"), K: T.Buffer((2, 8, 4), "float32"), V: T.Buffer((2, 8, 4), "float32"), O: T.Buffer((2, 4), "float32"), length: T.int32):
    S = T.alloc_buffer((8,), "float32", scope="local")
    top = T.alloc_buffer((1,), "float32", scope="local")
    total = T.alloc_buffer((1,), "float32", scope="local")
    for h in range(2):
        count: T.let[T.int32] = T.floormod(length, 8) + 1
        top[0] = T.float32(-1e30)
        for j in range(count):
            S[j] = T.float32(0)
            for d in range(4):
                S[j] = S[j] + Q[h, d] * K[h, j, d] * T.float32(0.5)
            top[0] = T.max(top[0], S[j])
        total[0] = T.float32(0)
        for j in range(count):
            S[j] = T.exp(S[j] - top[0])
            total[0] = total[0] + S[j]
        for d in range(4):
            O[h, d] = T.float32(0)
            for j in range(count):
                O[h, d] = O[h, d] + S[j] * V[h, j, d]
            O[h, d] = O[h, d] / total[0]
""",
    "flash-attention": """
def main(Q: T.Buffer((4, 4), "float32"), K: T.Buffer((8, 4), "float32"), V: T.Buffer((8, 4), "float32"), O: T.Buffer((4, 4), "float32")):
    scores = T.alloc_buffer((4,), "float32", scope="local")
    top = T.alloc_buffer((1,), "float32", scope="local")
    total = T.alloc_buffer((1,), "float32", scope="local")
    for i in range(4):
        top[0] = T.float32(-1e30)
        total[0] = T.float32(0)
        for d in range(4):
            O[i, d] = T.float32(0)
        for tile in range(2):
            for j in range(4):
                scores[j] = T.float32(0)
                for d in range(4):
                    scores[j] = scores[j] + Q[i, d] * K[tile * 4 + j, d] * T.float32(0.5)
            old: T.let[T.float32] = top[0]
            for j in range(4):
                top[0] = T.max(top[0], scores[j])
            correction: T.let[T.float32] = T.exp(old - top[0])
            total[0] = total[0] * correction
            for d in range(4):
                O[i, d] = O[i, d] * correction
            for j in range(4):
                weight: T.let[T.float32] = T.exp(scores[j] - top[0])
                total[0] = total[0] + weight
                for d in range(4):
                    O[i, d] = O[i, d] + weight * V[tile * 4 + j, d]
        for d in range(4):
            O[i, d] = O[i, d] / total[0]
""",
    "paged-cache-gather": """
def main(pages: T.Buffer((5, 4, 3), "float32"), table: T.Buffer((3,), "int32"), K: T.Buffer((12, 3), "float32")):
    for i, d in T.grid(12, 3):
        with T.sblock("gather"):
            vi, vd = T.axis.remap("SS", [i, d])
            K[vi, vd] = pages[T.floormod(table[vi // 4], 5), vi % 4, vd]
""",
    "ragged-rows": """
def main(lengths: T.Buffer((4,), "int32"), X: T.Buffer((4, 9), "float32"), S: T.Buffer((4,), "float32")):
    for i in range(4):
        S[i] = T.float32(0)
        for j in range(T.floormod(lengths[i], 9) + 1):
            S[i] = S[i] + X[i, j]
""",
    "beam-top-two": """
def main(X: T.Buffer((3, 9), "float32"), V: T.Buffer((3, 2), "float32"), I: T.Buffer((3, 2), "int32")):
    for i in range(3):
        for r in range(2):
            V[i, r] = T.float32(-1e30)
            I[i, r] = -1
        for j in range(9):
            if X[i, j] > V[i, 0]:
                V[i, 1] = V[i, 0]
                I[i, 1] = I[i, 0]
                V[i, 0] = X[i, j]
                I[i, 0] = j
            elif X[i, j] > V[i, 1]:
                V[i, 1] = X[i, j]
                I[i, 1] = j
""",
    "scatter-experts": """
def main(E: T.Buffer((7,), "int32"), X: T.Buffer((7, 3), "float32"), Y: T.Buffer((4, 3), "float32"), N: T.Buffer((4,), "int32")):
    for e in range(4):
        N[e] = 0
        for d in range(3):
            Y[e, d] = T.float32(0)
    for i in range(7):
        expert: T.let[T.int32] = T.floormod(E[i], 4)
        N[expert] = N[expert] + 1
        for d in range(3):
            Y[expert, d] = Y[expert, d] + X[i, d]
""",
    "alibi-bias": """
def main(S: T.Buffer((2, 5, 5), "float32"), O: T.Buffer((2, 5, 5), "float32")):
    for h, i, j in T.grid(2, 5, 5):
        with T.sblock("bias"):
            vh, vi, vj = T.axis.remap("SSS", [h, i, j])
            O[vh, vi, vj] = S[vh, vi, vj] - T.Cast("float32", T.max(vi - vj, 0)) * T.Cast("float32", vh + 1) * T.float32(0.25)
""",
}
