"""Fused operators with inputs, for test_fused.py; run as a script it records onnxruntime's outputs.

python -m tests.jitweb.onnx.fused_cases     # needs onnxruntime; writes fused.npz beside it
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests.jitweb.onnx.models import model_of, node

RECORDED = Path(__file__).with_name("fused.npz")
CONTRIB = "com.microsoft"
BATCH, LENGTH, HEADS, SIZE, PAST, BUFFER, CELLS = 2, 5, 4, 16, 3, 8, 7
HIDDEN = HEADS * SIZE


@dataclass(frozen=True)
class FusedCase:
    """A node of one operator. Inputs named w... are weights; "" stands for one left out."""

    operator: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    domain: str = CONTRIB
    kept: tuple[int, ...] = (0,)  # the outputs that are looked at
    is_short: bool = False  # its output is of 8 bits, which none of a model can be

    @property
    def name(self) -> str:
        parts = [f"{key}={value}" for key, value in self.attributes.items()]
        return " ".join([f"{self.domain or 'onnx'}.{self.operator}", *self.inputs, *parts])

    def model(self) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
        """A model of the one node, and its inputs."""
        names = [f"y{number}" if number in self.kept else "" for number in range(self.outputs)]
        made = node(self.operator, self.inputs, names, domain=self.domain, **self.attributes)
        nodes, taken, weights = [made], {}, {}
        for name in dict.fromkeys(filter(None, self.inputs)):
            array = value(name)
            if name.startswith("w"):
                weights[name] = array
            elif array.dtype == np.uint8:  # which no input can be
                taken[f"{name}_given"] = array.astype(np.int32)
                nodes.insert(0, node("Cast", [f"{name}_given"], [name], to=onnx.TensorProto.UINT8))
            else:
                taken[name] = array
        if self.operator == "QEmbedLayerNormalization":
            made.output[1] = "lengths"  # which can't be left out
        if self.is_short:
            made.output[0], names = "short", ["y0"]
            nodes.append(node("Cast", ["short"], ["y0"], to=onnx.TensorProto.INT32))
        opset = 17 if self.domain else 23
        model = model_of(nodes, taken, [name for name in names if name], weights, opset=opset)
        return model, taken


def value(name: str) -> np.ndarray:
    """The operand of a name: its part before "_" says what it is, the rest tells two apart."""
    kind = name.partition("_")[0]
    random = np.random.default_rng(sum(map(ord, name)))
    shapes: dict[str, tuple[int, ...]] = {
        "x": (BATCH, LENGTH, HIDDEN),
        "kv": (BATCH, LENGTH, HIDDEN // 2),
        "step": (BATCH, 1, HIDDEN),
        "kvstep": (BATCH, 1, HIDDEN // 2),
        "packed": (BATCH, LENGTH, 2 * HIDDEN),
        "heads": (BATCH, HEADS, LENGTH, SIZE),
        "pairs": (BATCH, HEADS // 2, LENGTH, SIZE),
        "cache": (BATCH, HEADS, PAST, SIZE),
        "half": (BATCH, HEADS // 2, PAST, SIZE),
        "buffer": (BATCH, HEADS // 2, BUFFER, SIZE),
        "past": (2, BATCH, HEADS, PAST, SIZE),
        "bias": (1, HEADS, LENGTH, LENGTH),
        "square": (BATCH, HIDDEN, HIDDEN),
        "w": (HIDDEN,),
        "wqkv": (HIDDEN, 3 * HIDDEN),
        "wbias": (3 * HIDDEN,),
        "wtable": (16, HIDDEN),
        "wcos": (16, SIZE // 2),
        "deep": (2, 48),
        "seq": (LENGTH, BATCH, 6),
        "state": (1, BATCH, CELLS),
        "states": (2, BATCH, CELLS),
    }
    if kind.startswith("wgates"):  # wgates[12]x[34]: directions and gates, the last axis after "_"
        directions, gates = map(int, kind.removeprefix("wgates").split("x"))
        last = int(name.partition("_")[2])
        sizes = [directions, gates * CELLS, *([last] if last else [])]
        return random.standard_normal(sizes, dtype=np.float32) / 2
    if kind in shapes:
        return random.standard_normal(shapes[kind], dtype=np.float32)
    if kind in ("wpacked", "wscales", "wzeros"):
        bits, block = map(int, name.partition("_")[2].split("x"))
        blocks = -(-48 // block)
        if kind == "wscales":
            return random.random(5 * blocks, dtype=np.float32)
        size = (5, blocks, block * bits // 8) if kind == "wpacked" else 5 * -(-blocks // 2)
        return random.integers(0, 256, size, dtype=np.uint8)
    quantised: dict[str, Any] = {
        "bytes": (np.uint8, 0, 256, (3, 700)),
        "row": (np.uint8, 0, 256, (3, 50)),
        "wbytes": (np.uint8, 0, 256, (700, 4)),
        "wints": (np.int8, -128, 128, (700, HIDDEN))
        if name == "wints"
        else (np.int8, -128, 128, (HIDDEN, HIDDEN)),
        "image": (np.uint8, 0, 256, (1, 90, 4, 4)),
        "wkernel": (np.uint8, 0, 256, (3, 90, 3, 3)),
        "wzero": (np.uint8, 100, 150, ()),
        "qx": (np.uint8, 0, 256, (BATCH, LENGTH, HIDDEN)),
        "wqints": (np.int8, -128, 128, (HIDDEN, 3 * HIDDEN)),
        "wqtable": (np.uint8, 0, 256, (16, HIDDEN)),
        "wqrow": (np.uint8, 0, 256, (HIDDEN,)),
        "wcentre": (np.int8, 0, 1, ()),
        "wnone": (np.uint8, 0, 1, ()),
        "wsigned": (np.int8, -9, 9, (HIDDEN,)),
    }
    if kind in quantised:
        dtype, low, high, shape = quantised[kind]
        return np.asarray(random.integers(low, high, shape, dtype=dtype))
    if kind == "wat":  # a number that the name says
        return np.asarray(name.partition("_")[2], np.float32)
    if kind in ("scale", "wscale"):
        return np.asarray(random.random(() if kind == "scale" else HIDDEN, dtype=np.float32))
    integers: dict[str, np.ndarray] = {
        "ids": random.integers(0, 16, (BATCH, LENGTH)),
        "mask": np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]),
        "longmask": np.array([[1] * 8, [1] * 6 + [0] * 2]),
        "ends": np.array([5, 3]),
        "first": np.array([2]),
        "seqlens": np.array([LENGTH, 3]),
        "places": np.array([[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]]),
        "wlast": np.full((BATCH,), LENGTH - 1),
        "wlastpast": np.full((BATCH,), PAST),
        "wtotal": np.array(LENGTH),
        "wtotalpast": np.array(PAST + 1),
        "lasts": np.array([6, 2]),
        "wtotalbuffer": np.array(BUFFER),
        "wintbias": random.integers(-9999, 9999, 3),
        "seen": random.random((LENGTH, LENGTH)) < 0.8,
        "chosen": random.random((3, 50)) < 0.5,
    }
    found = integers[kind]
    wide = kind in ("first", "places")
    if kind == "seen":
        return found | np.eye(LENGTH, dtype=np.bool_)
    if found.dtype == np.bool_:
        return found
    return found.astype(np.int64 if wide else np.int32)


def cases() -> Iterator[FusedCase]:
    heads = {"num_heads": HEADS}
    yield FusedCase("Gelu", ("x",))
    yield FusedCase("BiasGelu", ("x", "w"))
    yield FusedCase("FastGelu", ("x",))
    yield FusedCase("FastGelu", ("x", "w"))
    yield FusedCase("QuickGelu", ("x",), {"alpha": 1.5})
    yield FusedCase("FusedMatMul", ("x", "x_2"), {"transB": 1, "alpha": 0.5})
    yield FusedCase("FusedMatMul", ("square", "square_2"), {"transA": 1})
    yield FusedCase(
        "SkipLayerNormalization", ("x", "x_2", "w", "w_2", "w_3"), outputs=4, kept=(0, 3)
    )
    yield FusedCase("SkipLayerNormalization", ("x", "x_2", "w"), {"epsilon": 1e-2})
    yield FusedCase("SkipSimplifiedLayerNormalization", ("x", "x_2", "w"), outputs=4, kept=(0, 3))
    yield FusedCase("SimplifiedLayerNormalization", ("x", "w"), {"axis": -1}, domain="")
    embed = ("ids", "ids_2", "wtable", "wtable_2", "wtable_3", "w", "w_2", "mask")
    yield FusedCase("EmbedLayerNormalization", embed, {"epsilon": 1e-6}, outputs=2)
    yield FusedCase(
        "EmbedLayerNormalization", ("ids", "", "wtable", "wtable_2", "", "w", "w_2"), {}, 2
    )
    yield FusedCase("Attention", ("x", "wqkv", "wbias"), heads)
    yield FusedCase("Attention", ("x", "wqkv", "wbias", "mask"), heads)
    yield FusedCase("Attention", ("x", "wqkv", "wbias", "ends"), heads)
    yield FusedCase(
        "Attention", ("x", "wqkv", "wbias", "", "", "bias"), {**heads, "unidirectional": 1}
    )
    past = ("x", "wqkv", "wbias", "longmask", "past")
    yield FusedCase("Attention", past, {**heads, "unidirectional": 1}, 2, kept=(0, 1))
    yield FusedCase("MultiHeadAttention", ("x", "x_2", "x_3"), heads)
    yield FusedCase("MultiHeadAttention", ("x", "x_2", "x_3", "wbias", "mask", "bias"), heads)
    cached = ("x", "x_2", "x_3", "", "", "", "cache", "cache_2")
    yield FusedCase("MultiHeadAttention", cached, heads, 3, kept=(0, 1, 2))
    group = {**heads, "kv_num_heads": HEADS // 2}
    now, later = ("wlast", "wtotal"), ("wlastpast", "wtotalpast")
    yield FusedCase(
        "GroupQueryAttention", ("x", "kv", "kv_2", "", "", *now), group, 3, kept=(0, 1, 2)
    )
    turned = ("step", "kvstep", "kvstep_2", "half", "half_2", *later, "wcos", "wcos_2")
    for interleaved in (0, 1):
        rotary = {**group, "do_rotary": 1, "rotary_interleaved": interleaved}
        yield FusedCase("GroupQueryAttention", turned, rotary, 3, kept=(0, 1, 2))
    shared = ("step", "kvstep", "kvstep_2", "buffer", "buffer_2", "lasts", "wtotalbuffer")
    yield FusedCase("GroupQueryAttention", shared, group, 3, kept=(0, 1, 2))
    rotary = {**group, "do_rotary": 1, "local_window_size": 3}
    yield FusedCase("GroupQueryAttention", (*shared, "wcos", "wcos_2"), rotary, 3, kept=(0, 1, 2))
    begun = ("x", "kv", "kv_2", "buffer", "buffer_2", *now)
    yield FusedCase("GroupQueryAttention", begun, group, 3, kept=(0, 1, 2))
    limited = {**group, "local_window_size": 3, "softcap": 2.0}
    yield FusedCase("GroupQueryAttention", ("packed", "", "", "", "", *now), limited, 3, kept=(0,))
    yield FusedCase("RotaryEmbedding", ("heads", "places", "wcos", "wcos_2"))
    yield FusedCase("RotaryEmbedding", ("x", "first", "wcos", "wcos_2"), {"interleaved": 1})
    yield FusedCase("RotaryEmbedding", ("heads", "wcos", "wcos_2", "places"), domain="")
    yield FusedCase("RMSNormalization", ("x", "w"), {"epsilon": 1e-3}, domain="")
    yield FusedCase("MatMulInteger", ("bytes", "wbytes"), domain="")
    yield FusedCase("MatMulInteger", ("bytes", "wints", "wzero", "wsigned"), domain="")
    yield FusedCase("ConvInteger", ("image", "wkernel", "wzero"), {"pads": [1, 1, 1, 1]}, domain="")
    dynamic = ("x", "wints_2", "wscale", "wsigned", "w")
    yield FusedCase("DynamicQuantizeMatMul", dynamic)
    scaled = ("bytes", "wints", "scale", "wscale", "wzero", "wsigned", "w")
    yield FusedCase("MatMulIntegerToFloat", scaled)
    yield from qlinear_cases()
    yield from recurrent_cases()
    for bits, block in ((4, 16), (4, 32), (8, 16)):
        given = {"K": 48, "N": 5, "bits": bits, "block_size": block}
        name = f"{bits}x{block}"
        yield FusedCase("MatMulNBits", ("deep", f"wpacked_{name}", f"wscales_{name}"), given)
    given = {"K": 48, "N": 5, "bits": 4, "block_size": 16}
    with_zeros = ("deep", "wpacked_4x16", "wscales_4x16", "wzeros_4x16")
    yield FusedCase("MatMulNBits", with_zeros, given)
    flat = {"q_num_heads": HEADS, "kv_num_heads": HEADS}
    yield FusedCase("Attention", ("x", "x_2", "x_3"), {**flat, "is_causal": 1}, domain="")
    yield FusedCase("Attention", ("heads", "heads_2", "heads_3", "seen"), {"scale": 0.3}, domain="")
    yield FusedCase("Attention", ("heads", "pairs", "pairs_2", "bias"), {"softcap": 1.5}, domain="")
    full = ("heads", "heads_2", "heads_3", "", "cache", "cache_2")
    yield FusedCase("Attention", full, {"is_causal": 1}, 3, domain="", kept=(0, 1, 2))


def qlinear_cases() -> Iterator[FusedCase]:
    # Scales of which no multiple is half of another's: such ties a last bit decides.
    a, fine = ("row", "wat_0.05", "wzero"), ("wat_0.0041", "wnone")
    b = ("row_2", "wat_0.02", "wzero_2")
    product = ("bytes", *a[1:], "wints", "wscale", "wsigned")
    yield FusedCase("QLinearMatMul", (*product, "wat_50", "wzero_2"), domain="", is_short=True)
    image = ("image", "wat_0.05", "wzero", "wkernel", "wat_0.02", "wzero_2", "wat_9", "wzero_3")
    yield FusedCase(
        "QLinearConv", (*image, "wintbias"), {"pads": [1, 1, 1, 1]}, domain="", is_short=True
    )
    yield FusedCase("QGemm", (*product, "", "wat_50", "wzero_2"), is_short=True)
    yield FusedCase("QGemm", product)
    yield FusedCase("QLinearAdd", (*a, *b, "wat_0.0617", "wzero_3"), is_short=True)
    yield FusedCase("QLinearMul", (*a, *b, "wat_0.1137", "wzero_3"), is_short=True)
    yield FusedCase("QLinearSigmoid", (*a, *fine), is_short=True)
    yield FusedCase("QLinearLeakyRelu", (*a, "wat_0.03", "wzero_3"), {"alpha": 0.2}, is_short=True)
    yield FusedCase(
        "QLinearSoftmax", (*a, "wat_0.01", "wnone"), {"axis": 1, "opset": 13}, is_short=True
    )
    yield FusedCase("QLinearConcat", ("wat_0.0413", "wzero_3", *a, *b), {"axis": 0}, is_short=True)
    yield FusedCase("QLinearWhere", ("chosen", *a, *b, "wat_0.0617", "wzero_3"), is_short=True)
    projected = ("qx", "wqints", "wbias", "wat_0.02", "wat_0.01", "mask", "wzero", "wcentre")
    yield FusedCase("QAttention", projected, {"num_heads": HEADS})
    tables = ("wqtable", "wqtable_2", "wqtable_3", "wqrow", "wqrow_2", "mask")
    steps = ("wat_0.02", "wat_0.03", "wat_0.01", "wat_0.005", "wat_0.04")
    zeros = ("wzero", "wzero_2", "wzero_3", "wnone", "wzero_4")
    embed = ("ids", "ids_2", *tables, *steps, *zeros)
    yield FusedCase("QEmbedLayerNormalization", embed, outputs=2)
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    whole = ("image", "wat_0.05", "wzero", "wat_0.0413", "wzero_3")
    yield FusedCase("QLinearAveragePool", whole, pool, is_short=True)
    yield FusedCase("QLinearGlobalAveragePool", whole, {"channels_last": 0}, is_short=True)


def recurrent_cases() -> Iterator[FusedCase]:
    size = {"hidden_size": CELLS}
    one = ("seq", "wgates1x4_6", f"wgates1x4_{CELLS}")
    two = ("seq", "wgates2x4_6", f"wgates2x4_{CELLS}", "wgates2x8_0")
    every: dict[str, Any] = {"outputs": 3, "domain": "", "kept": (0, 1, 2)}
    yield FusedCase("LSTM", one, size, **every)
    yield FusedCase("LSTM", (*one, "wgates1x8_0"), {**size, "direction": "reverse"}, **every)
    both = {**size, "direction": "bidirectional"}
    yield FusedCase("LSTM", (*two, "", "states", "states_2"), both, **every)
    every = {"outputs": 2, "domain": "", "kept": (0, 1)}
    gates = ("seq", "wgates1x3_6", f"wgates1x3_{CELLS}", "wgates1x6_0")
    both_gates = ("seq", "wgates2x3_6", f"wgates2x3_{CELLS}")
    yield FusedCase("GRU", (*gates, "", "state"), size, **every)
    yield FusedCase("GRU", gates, {**size, "linear_before_reset": 1}, **every)
    yield FusedCase("GRU", both_gates, {**both, "linear_before_reset": 1}, **every)
    yield FusedCase("GRU", (*both_gates, "", "seqlens"), both, **every)
    sharp = {"activations": ["HardSigmoid", "Softsign"], "activation_alpha": [0.3], "clip": 1.5}
    yield FusedCase("GRU", gates, {**size, **sharp}, **every)
    simple = ("seq", "wgates1x1_6", f"wgates1x1_{CELLS}", "wgates1x2_0")
    yield FusedCase("RNN", (*simple, "", "state"), size, **every)
    leaky = {"activations": ["LeakyRelu"], "activation_alpha": [0.3], "direction": "reverse"}
    yield FusedCase("RNN", (*simple, "seqlens"), {**size, **leaky}, **every)
    every = {"outputs": 3, "domain": "", "kept": (0, 1, 2)}
    looking = (*one, "wgates1x8_0", "seqlens", "", "", "wgates1x3_0")
    yield FusedCase("LSTM", looking, size, **every)
    yield FusedCase("LSTM", (*two, "seqlens"), {**both, "clip": 0.5, "input_forget": 1}, **every)


def record() -> None:
    """Write what onnxruntime returns for every case."""
    import onnxruntime

    recorded = {}
    for case in cases():
        model, inputs = case.model()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        for place, array in zip(case.kept, session.run(None, inputs), strict=True):
            recorded[f"{case.name} -> {place}"] = array
    np.savez_compressed(RECORDED, **recorded)  # type: ignore[arg-type]


if __name__ == "__main__":
    record()
