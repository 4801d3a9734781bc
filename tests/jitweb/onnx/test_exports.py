"""What exporters write imports, and gives what onnxruntime gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from jitweb.compare import errors
from jitweb.model import import_model, run_plan
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
