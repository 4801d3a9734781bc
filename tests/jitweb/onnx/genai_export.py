"""A decoder as onnxruntime-genai's model builder writes it, and the tokens that it generates.

    python -m tests.jitweb.onnx.genai_export BUILDER      # needs torch, transformers, onnxruntime

BUILDER is the folder onnxruntime_genai/models of the package onnxruntime-genai. It writes
exports/llama.genai-int4.onnx, a Llama with grouped queries of 4 bits without its weights (see
exports.py), and .npz with a prompt and what onnxruntime generates after it, with caches that grow.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests.jitweb.onnx.exports import FOLDER, filled, without_weights

NAME = "llama.genai-int4"
VOCABULARY, LAYERS, KEYS, SIZE = 96, 2, 2, 16
PROMPT = (5, 17, 33, 64, 2, 90, 11, 7)
STEPS = 5


def caches(prefix: str) -> list[str]:
    """The names of the caches of past or present keys and values."""
    return [f"{prefix}.{layer}.{kind}" for layer in range(LAYERS) for kind in ("key", "value")]


def built(builder: Path, folder: Path) -> onnx.ModelProto:
    """What the builder makes of a small Llama with random weights."""
    import tokenizers  # type: ignore[import-not-found]
    import transformers  # type: ignore[import-not-found]

    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=LAYERS,
        num_attention_heads=4, num_key_value_heads=KEYS, max_position_embeddings=64,
    )  # fmt: skip
    source = folder / "source"
    transformers.LlamaForCausalLM(config).save_pretrained(source)
    words = tokenizers.models.WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(words), unk_token="w0", bos_token="w1", eos_token="w2"
    ).save_pretrained(source)
    subprocess.run(
        [sys.executable, "builder.py", "-i", source, "-o", folder / "made", "-c", folder / "cache",
         "-p", "int4", "-e", "cpu"],
        cwd=builder, env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=True,
    )  # fmt: skip
    model = onnx.load(folder / "made" / "model.onnx")
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":  # at 4, activations are rounded to 8 bits
                attribute.i = 1
    return model


def generated(path: Path) -> np.ndarray:
    """The logits of the tokens that onnxruntime generates greedily."""
    import onnxruntime

    session = onnxruntime.InferenceSession(filled(path).SerializeToString())
    names = [each.name for each in session.get_outputs()]
    empty = np.zeros((1, KEYS, 0, SIZE), np.float32)
    state: dict[str, Any] = dict.fromkeys(caches("past_key_values"), empty)
    ids, logits = np.array([PROMPT]), []
    for step in range(STEPS):
        mask = np.ones((1, len(PROMPT) + step), np.int64)
        given = {"input_ids": ids, "attention_mask": mask, **state}
        found = dict(zip(names, session.run(None, given), strict=True))
        logits.append(found["logits"][0, -1])
        ids = np.array([[logits[-1].argmax()]])
        pairs = zip(caches("past_key_values"), caches("present"), strict=True)
        state = {past: found[present] for past, present in pairs}
    return np.array(logits)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        model = built(Path(sys.argv[1]), Path(made))
    path = FOLDER / f"{NAME}.onnx"
    onnx.save(without_weights(model), path)
    np.savez_compressed(path.with_suffix(".npz"), prompt=np.array(PROMPT), logits=generated(path))
