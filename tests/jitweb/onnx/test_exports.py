"""What exporters write imports, and gives what onnxruntime gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from jitweb.compare import errors
from jitweb.model import import_model
from jitweb.run_plan import run_plan
from tests.jitweb.onnx import genai_export
from tests.jitweb.onnx.exports import FOLDER, NAMES, filled, kept

# A last bit of an activation may decide how it is rounded to 8 bits.
TOLERANCES = {"gpt2.int8-dynamic": 1e-2}


@pytest.mark.once
@pytest.mark.parametrize("name", NAMES)
def test_exports_give_what_onnxruntime_gives(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(filled(FOLDER / f"{name}.onnx"), path)
    arrays, shapes = kept(name)
    model = import_model(path, shapes)
    inputs = {tensor.name: arrays[f"input.{tensor.name}"] for tensor in model.plan.inputs}
    found = run_plan(model, inputs)
    for output, array in found.items():
        wanted = arrays[f"output.{output}"]
        assert array.shape == wanted.shape
        assert np.max(errors(array, wanted), initial=0.0) <= TOLERANCES.get(name, 1e-4), output


@pytest.mark.once
def test_a_decoder_of_onnxruntime_genai_generates_the_same_tokens(tmp_path: Path) -> None:
    """Token by token, with caches of a fixed length that it fills."""
    length, path = 16, tmp_path / "model.onnx"
    onnx.save(filled(FOLDER / f"{genai_export.NAME}.onnx"), path)
    with np.load(FOLDER / f"{genai_export.NAME}.npz") as archive:
        tokens, wanted = list(archive["prompt"]), archive["logits"]
    cache = (1, genai_export.KEYS, length, genai_export.SIZE)
    past, present = genai_export.caches("past_key_values"), genai_export.caches("present")
    shapes = {"input_ids": (1, 1), "attention_mask": (1, length), **dict.fromkeys(past, cache)}
    model = import_model(path, shapes)
    state, first = dict.fromkeys(past, np.zeros(cache, np.float32)), len(tokens) - 1
    for step in range(first + len(wanted)):
        mask = (np.arange(length) <= step).astype(np.int64)
        given = {"input_ids": np.array([[tokens[step]]]), "attention_mask": mask[None]}
        found = run_plan(model, given | state)
        state = dict(zip(past, (found[name] for name in present), strict=True))
        if step >= first:
            logits = found["logits"][0, -1]
            assert np.max(errors(logits, wanted[step - first])) <= 1e-4
            tokens.append(logits.argmax())
