"""Writes small transformer models with random weights as ONNX, for a quick try of ``jitweb tune``.

It needs only onnx, NumPy and click. The graphs consist of the operators that ``torch.onnx.export``
writes for the real models, with static shapes and batch 1:

- ``bert``: post-LN encoder with a key mask, erf GELU and a pooler.
- ``gpt``: pre-LN decoder with a causal mask, tanh GELU, and logits from the transposed embedding.
- ``t5-encoder``, ``t5-decoder``: RMS norm, relative position bias, ReLU, no biases of linear
  layers; the decoder attends to the encoder's states too.

    python examples/make_model.py bert -o bert.onnx
    python examples/make_model.py t5 -o t5.onnx     # t5.encoder.onnx and t5.decoder.onnx
"""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18  # the default of torch's exporter
IR_VERSION = 9  # read by every runtime that knows opset 18
MASKED = float(np.finfo(np.float32).min)
PROTOBUF_LIMIT = 2**31 - 1  # bytes of one file without external data


@dataclass(frozen=True)
class Sizes:
    """The shape of a model; ``hidden`` must be a multiple of ``heads``."""

    layers: int = 2
    hidden: int = 64
    heads: int = 4
    sequence: int = 16
    vocabulary: int = 100
    feed_forward: int = 128

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} is {value}: it must be at least 1")
        if self.hidden % self.heads:
            raise ValueError(
                f"hidden {self.hidden} is not divisible by {self.heads} heads: choose a multiple"
            )

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


@dataclass
class Graph:
    """A graph under construction: every method adds nodes and returns the name of their result."""

    sizes: Sizes
    seed: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: dict[str, onnx.TensorProto] = field(default_factory=dict)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)

    def input(self, name: str, shape: list[int], element: int = TensorProto.INT64) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, element, shape))
        return name

    def output(self, value: str, name: str, shape: list[int]) -> None:
        """Make ``value`` an output with this name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for position, used in enumerate(names):
                    if used == value:
                        names[position] = name
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def op(self, kind: str, *operands: str, **attributes: Any) -> str:
        return self.ops(kind, 1, *operands, **attributes)[0]

    def ops(self, kind: str, results: int, *operands: str, **attributes: Any) -> list[str]:
        name = f"{kind.lower()}_{len(self.nodes)}"
        names = [name if results == 1 else f"{name}_{result}" for result in range(results)]
        self.nodes.append(
            helper.make_node(kind, operands, names, name=f"node_{name}", **attributes)
        )
        return names

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(value, name)
        return name

    def scalar(self, value: float) -> str:
        return self.constant(f"scalar_{value!r}", np.array(value, np.float32))

    def integers(self, *values: int) -> str:
        return self.constant(f"int64_{'_'.join(map(str, values))}", np.array(values, np.int64))

    def weight(self, name: str, *shape: int, scale: float, mean: float = 0.0) -> str:
        """Random weights that depend only on the seed and the name.

        So the encoder and decoder of one seed share the embedding, which has the same name in both.
        """
        random = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        drawn = mean + scale * random.standard_normal(shape, dtype=np.float32)
        return self.constant(name, drawn.astype(np.float32))

    def matrix(self, name: str, rows: int, columns: int) -> str:
        """Weights [rows, columns] whose product with x has about the variance of x."""
        return self.weight(name, rows, columns, scale=1 / math.sqrt(rows))

    def linear(self, x: str, name: str, rows: int, columns: int) -> str:
        product = self.op("MatMul", x, self.matrix(f"{name}.weight", rows, columns))
        return self.op("Add", product, self.weight(f"{name}.bias", columns, scale=0.1))

    def layer_norm(self, x: str, name: str) -> str:
        scale = self.weight(f"{name}.weight", self.sizes.hidden, scale=0.1, mean=1.0)
        bias = self.weight(f"{name}.bias", self.sizes.hidden, scale=0.1)
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)

    def rms_norm(self, x: str, name: str) -> str:
        square = self.op("Pow", x, self.scalar(2.0))
        mean = self.op("ReduceMean", square, self.integers(-1), keepdims=1)
        root = self.op("Sqrt", self.op("Add", mean, self.scalar(1e-6)))
        scale = self.weight(f"{name}.weight", self.sizes.hidden, scale=0.1, mean=1.0)
        return self.op("Mul", scale, self.op("Div", x, root))

    def split_heads(self, x: str) -> str:
        """[1, s, h] → [1, heads, s, head]."""
        shape = self.integers(1, self.sizes.sequence, self.sizes.heads, self.sizes.head)
        return self.op("Transpose", self.op("Reshape", x, shape), perm=[0, 2, 1, 3])

    def merge_heads(self, x: str) -> str:
        """[1, heads, s, head] → [1, s, h]."""
        shape = self.integers(1, self.sizes.sequence, self.sizes.hidden)
        return self.op("Reshape", self.op("Transpose", x, perm=[0, 2, 1, 3]), shape)

    def attention(
        self, query: str, key: str, value: str, mask: Callable[[str], str], scaled: bool
    ) -> str:
        """Softmax of the masked scores times the values; operands and result are [1, s, h]."""
        query, key, value = map(self.split_heads, (query, key, value))
        scores = self.op("MatMul", query, self.op("Transpose", key, perm=[0, 1, 3, 2]))
        if scaled:
            scores = self.op("Mul", scores, self.scalar(self.sizes.head**-0.5))
        weights = self.op("Softmax", mask(scores), axis=-1)
        return self.merge_heads(self.op("MatMul", weights, value))

    def key_mask(self, mask: str) -> str:
        """int64 [1, s] of ones and zeros → float32 [1, 1, 1, s]: 0 where it is 1, else MASKED."""
        wide = self.op("Unsqueeze", mask, self.integers(1, 2))
        kept = self.op("Cast", wide, to=TensorProto.FLOAT)
        return self.op("Mul", self.op("Sub", self.scalar(1.0), kept), self.scalar(MASKED))

    def erf_gelu(self, x: str) -> str:
        erf = self.op("Erf", self.op("Div", x, self.scalar(math.sqrt(2.0))))
        return self.op(
            "Mul", self.op("Mul", x, self.op("Add", erf, self.scalar(1.0))), self.scalar(0.5)
        )

    def tanh_gelu(self, x: str) -> str:
        cube = self.op("Mul", self.op("Pow", x, self.scalar(3.0)), self.scalar(0.044715))
        inner = self.op("Mul", self.op("Add", x, cube), self.scalar(math.sqrt(2 / math.pi)))
        outer = self.op("Add", self.op("Tanh", inner), self.scalar(1.0))
        return self.op("Mul", self.op("Mul", x, self.scalar(0.5)), outer)


def bert(g: Graph) -> None:
    s, h = g.sizes.sequence, g.sizes.hidden
    ids = g.input("input_ids", [1, s])
    kept = g.input("attention_mask", [1, s])
    types = g.input("token_type_ids", [1, s])
    words = g.op("Gather", g.weight("embeddings.word", g.sizes.vocabulary, h, scale=1.0), ids)
    kinds = g.op("Gather", g.weight("embeddings.token_type", 2, h, scale=0.5), types)
    places = g.weight("embeddings.position", 1, s, h, scale=0.5)
    x = g.layer_norm(g.op("Add", g.op("Add", words, kinds), places), "embeddings.norm")
    mask = g.key_mask(kept)
    for layer in range(g.sizes.layers):
        name = f"encoder.{layer}"
        query, key, value = (g.linear(x, f"{name}.{part}", h, h) for part in ("q", "k", "v"))
        mixed = g.attention(query, key, value, lambda scores: g.op("Add", scores, mask), True)
        mixed = g.linear(mixed, f"{name}.output", h, h)
        x = g.layer_norm(g.op("Add", mixed, x), f"{name}.attention_norm")
        wide = g.erf_gelu(g.linear(x, f"{name}.up", h, g.sizes.feed_forward))
        narrow = g.linear(wide, f"{name}.down", g.sizes.feed_forward, h)
        x = g.layer_norm(g.op("Add", narrow, x), f"{name}.norm")
    first = g.op("Gather", x, g.constant("int64_first", np.array(0, np.int64)), axis=1)
    pooler = (g.matrix("pooler.weight", h, h), g.weight("pooler.bias", h, scale=0.1))
    pooled = g.op("Tanh", g.op("Gemm", first, *pooler, transB=1))
    g.output(x, "last_hidden_state", [1, s, h])
    g.output(pooled, "pooler_output", [1, h])


def gpt(g: Graph) -> None:
    s, h = g.sizes.sequence, g.sizes.hidden
    ids = g.input("input_ids", [1, s])
    embedding = g.weight("wte.weight", g.sizes.vocabulary, h, scale=h**-0.5)
    positions = g.constant("position_ids", np.arange(s, dtype=np.int64)[None])
    places = g.op("Gather", g.weight("wpe.weight", s, h, scale=0.1), positions)
    x = g.op("Add", g.op("Gather", embedding, ids), places)
    causal = g.constant("causal_mask", np.tril(np.ones((1, 1, s, s), bool)))

    def mask(scores: str) -> str:
        return g.op("Where", causal, scores, g.scalar(MASKED))

    def conv1d(x: str, name: str, rows: int, columns: int) -> str:
        """GPT-2's linear layer, which is exported as a Gemm of two-dimensional operands."""
        flat = g.op("Reshape", x, g.integers(s, rows))
        bias = g.weight(f"{name}.bias", columns, scale=0.1)
        product = g.op("Gemm", flat, g.matrix(f"{name}.weight", rows, columns), bias)
        return g.op("Reshape", product, g.integers(1, s, columns))

    for layer in range(g.sizes.layers):
        name = f"h.{layer}"
        packed = conv1d(g.layer_norm(x, f"{name}.ln_1"), f"{name}.qkv", h, 3 * h)
        query, key, value = g.ops("Split", 3, packed, g.integers(h, h, h), axis=2)
        mixed = g.attention(query, key, value, mask, scaled=True)
        x = g.op("Add", conv1d(mixed, f"{name}.output", h, h), x)
        wide = conv1d(g.layer_norm(x, f"{name}.ln_2"), f"{name}.up", h, g.sizes.feed_forward)
        narrow = conv1d(g.tanh_gelu(wide), f"{name}.down", g.sizes.feed_forward, h)
        x = g.op("Add", x, narrow)
    tied = g.op("Transpose", embedding, perm=[1, 0])
    logits = g.op("MatMul", g.layer_norm(x, "ln_f"), tied)
    g.output(logits, "logits", [1, s, g.sizes.vocabulary])


def t5_attention(g: Graph, x: str, states: str, name: str, mask: str) -> str:
    """T5's attention, which adds bias and mask in one tensor and doesn't scale the scores."""
    h = g.sizes.hidden
    operands = {"q": x, "k": states, "v": states}
    query, key, value = (
        g.op("MatMul", operand, g.matrix(f"{name}.{part}.weight", h, h))
        for part, operand in operands.items()
    )
    mixed = g.attention(query, key, value, lambda scores: g.op("Add", scores, mask), False)
    return g.op("MatMul", mixed, g.matrix(f"{name}.o.weight", h, h))


def t5_feed_forward(g: Graph, x: str, name: str) -> str:
    h, wide = g.sizes.hidden, g.sizes.feed_forward
    raised = g.op("Relu", g.op("MatMul", x, g.matrix(f"{name}.wi.weight", h, wide)))
    return g.op("MatMul", raised, g.matrix(f"{name}.wo.weight", wide, h))


def t5_embedding(g: Graph) -> str:
    return g.weight("shared.weight", g.sizes.vocabulary, g.sizes.hidden, scale=1.0)


def t5_encoder(g: Graph) -> None:
    s, h = g.sizes.sequence, g.sizes.hidden
    ids = g.input("input_ids", [1, s])
    kept = g.input("attention_mask", [1, s])
    bias = g.weight("encoder.relative_position_bias", 1, g.sizes.heads, s, s, scale=0.5)
    mask = g.op("Add", bias, g.key_mask(kept))
    x = g.op("Gather", t5_embedding(g), ids)
    for layer in range(g.sizes.layers):
        name = f"encoder.{layer}"
        normal = g.rms_norm(x, f"{name}.attention_norm")
        x = g.op("Add", x, t5_attention(g, normal, normal, f"{name}.attention", mask))
        x = g.op("Add", x, t5_feed_forward(g, g.rms_norm(x, f"{name}.norm"), name))
    g.output(g.rms_norm(x, "encoder.norm"), "last_hidden_state", [1, s, h])


def t5_decoder(g: Graph) -> None:
    s, h = g.sizes.sequence, g.sizes.hidden
    ids = g.input("input_ids", [1, s])
    states = g.input("encoder_hidden_states", [1, s, h], TensorProto.FLOAT)
    cross = g.key_mask(g.input("encoder_attention_mask", [1, s]))
    bias = g.weight("decoder.relative_position_bias", 1, g.sizes.heads, s, s, scale=0.5)
    future = np.triu(np.full((1, 1, s, s), MASKED, np.float32), 1)
    causal = g.op("Add", bias, g.constant("causal_mask", future))
    x = g.op("Gather", t5_embedding(g), ids)
    for layer in range(g.sizes.layers):
        name = f"decoder.{layer}"
        normal = g.rms_norm(x, f"{name}.attention_norm")
        x = g.op("Add", x, t5_attention(g, normal, normal, f"{name}.attention", causal))
        normal = g.rms_norm(x, f"{name}.cross_norm")
        x = g.op("Add", x, t5_attention(g, normal, states, f"{name}.cross", cross))
        x = g.op("Add", x, t5_feed_forward(g, g.rms_norm(x, f"{name}.norm"), name))
    scaled = g.op("Mul", g.rms_norm(x, "decoder.norm"), g.scalar(h**-0.5))
    tied = g.op("Transpose", t5_embedding(g), perm=[1, 0])
    g.output(g.op("MatMul", scaled, tied), "logits", [1, s, g.sizes.vocabulary])


KINDS: dict[str, Callable[[Graph], None]] = {
    "bert": bert,
    "gpt": gpt,
    "t5-encoder": t5_encoder,
    "t5-decoder": t5_decoder,
}


def make_model(kind: str, *, seed: int = 0, **sizes: int) -> onnx.ModelProto:
    """The model of this kind, equal for equal arguments; ``sizes`` are the fields of ``Sizes``.

    Raises ValueError for an unknown kind and for sizes that fit no model.
    """
    if kind not in KINDS:
        raise ValueError(f"no model of kind {kind!r}: choose one of {', '.join(KINDS)}")
    graph = Graph(Sizes(**sizes), seed)
    KINDS[kind](graph)
    proto = helper.make_graph(
        graph.nodes, kind, graph.inputs, graph.outputs, list(graph.initializers.values())
    )
    return helper.make_model(
        proto,
        producer_name="make_model",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


def save(model: onnx.ModelProto, path: Path, external_data: bool) -> None:
    """Write the model, checked; with external data the weights go to ``path`` + ".data"."""
    weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if weights > PROTOBUF_LIMIT and not external_data:
        raise ValueError(f"{weights} bytes of weights don't fit one file: add --external-data")
    data = path.with_name(path.name + ".data")
    if external_data:
        data.unlink(missing_ok=True)  # onnx would append to it
    onnx.save_model(model, path, save_as_external_data=external_data, location=data.name)
    onnx.checker.check_model(str(path), full_check=True)


def write(kind: str, path: Path, external_data: bool, seed: int, sizes: dict[str, int]) -> None:
    """Make and save one model, or the two of t5, and print their paths and sizes."""
    wanted = {kind: path}
    if kind == "t5":
        wanted = {
            f"t5-{half}": path.with_name(f"{path.stem}.{half}{path.suffix or '.onnx'}")
            for half in ("encoder", "decoder")
        }
    for each, place in wanted.items():
        save(make_model(each, seed=seed, **sizes), place, external_data)
        click.echo(f"{place}: {each}, {place.stat().st_size / 1e6:.1f} MB")


positive = click.IntRange(min=1)


@click.command(help="Write a small transformer model with random weights, as ONNX.")
@click.argument("kind", type=click.Choice([*KINDS, "t5"]))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--layers", type=positive, default=2, show_default=True)
@click.option("--hidden", type=positive, default=64, show_default=True)
@click.option("--heads", type=positive, default=4, show_default=True)
@click.option("--sequence", type=positive, default=16, show_default=True)
@click.option("--vocabulary", type=positive, default=100, show_default=True)
@click.option("--feed-forward", type=positive, default=None, help="[default: twice --hidden]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--external-data", is_flag=True, help="Store the weights in a separate file.")
def command(
    kind: str,
    output: Path,
    external_data: bool,
    seed: int,
    feed_forward: int | None,
    **sizes: int,
) -> None:
    sizes["feed_forward"] = feed_forward or 2 * sizes["hidden"]
    write(kind, output, external_data, seed, sizes)


def main() -> None:
    """Run the command; bad input is one line on standard error and exit status 2."""
    try:
        command(standalone_mode=False)
    except click.ClickException as error:
        problem = error.format_message()
    except (ValueError, OSError, MemoryError) as error:
        problem = str(error)
    except click.Abort:
        sys.exit(130)
    else:
        return
    print(f"error: {' '.join(problem.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
