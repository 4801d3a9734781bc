"""Fused operators, written as standard ones, give what onnxruntime gave for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from jitweb.onnx.graph import CONTRIB
from jitweb.onnx.read import read_onnx
from jitweb.onnx.rules import RULES
from jitweb.onnx.simplify import simplify
from jitweb.onnx.weights import with_floats
from tests.jitweb.onnx.fused_cases import RECORDED, FusedCase, cases
from tests.jitweb.onnx.models import assert_agree, computed, referred


@pytest.fixture(scope="module")
def recorded() -> Mapping[str, np.ndarray]:
    with np.load(RECORDED) as archive:
        return dict(archive)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_fused_operators_give_what_onnxruntime_gives(
    case: FusedCase, recorded: Mapping[str, np.ndarray], tmp_path: Path
) -> None:
    wanted = {f"y{place}": recorded[f"{case.name} -> {place}"] for place in case.kept}
    model, inputs = case.model()
    assert_agree(computed(model, inputs, tmp_path), wanted)
    standard = with_floats(simplify(read_onnx(tmp_path / "model.onnx", {})))
    assert_agree(referred(standard, inputs), wanted)


def test_every_operator_of_onnxruntime_is_tested() -> None:
    tested = {case.operator for case in cases()}
    assert {kind for domain, kind in RULES if domain == CONTRIB} <= tested | {
        "BiasAdd",
        "GatherBlockQuantized",  # in test_weights.py
    }
