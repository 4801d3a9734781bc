"""Extents that are known at run time only are bound by the input seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.case import Case, module_text
from harness.oracles.verify import verify
from harness.semantics.inputs import Argument, InputError, make_inputs
from harness.semantics.reference import reference_of
from harness.verdict import Kind
from seeds.handwritten_storage import PROGRAMS
from seeds.recipe import from_script

SEEDS = range(8)
SYMBOLIC = [name for name in PROGRAMS if name.startswith("symbolic-")]


def inputs(name: str, seed: int) -> list[Argument]:
    return make_inputs(from_script(PROGRAMS[name])["main"], seed)


def test_several_seeds_bind_several_extents_and_one_seed_always_the_same() -> None:
    shapes = [[np.shape(each) for each in inputs("symbolic-transpose", seed)] for seed in SEEDS]
    assert all(first == second[::-1] for first, second in shapes)
    assert len({first for first, _ in shapes}) > 3
    again = [[np.shape(each) for each in inputs("symbolic-transpose", seed)] for seed in SEEDS]
    assert shapes == again


def test_a_scalar_parameter_that_is_an_extent_has_its_value() -> None:
    for seed in SEEDS:
        array, number = inputs("symbolic-given", seed)
        assert np.shape(array) == (number, number)


def test_the_interpreter_computes_with_the_extent_of_the_arguments() -> None:
    for seed in SEEDS:
        case = Case(module_text(from_script(PROGRAMS["symbolic-reverse"])), input_seed=seed)
        reference = reference_of(case)
        source = np.asarray(reference.inputs[0])
        assert reference.expectation is not None
        expected = source[::-1] // 3 + min(source.size, 9)
        assert np.array_equal(np.asarray(reference.expectation.outputs[1]), expected)


@pytest.mark.parametrize("name", SYMBOLIC)
def test_it_is_compiled_and_run_like_any_other_program(name: str) -> None:
    text = module_text(from_script(PROGRAMS[name]))
    for seed in (0, 1):
        case = Case(text, input_seed=seed)
        assert reference_of(case).expectation is not None
        assert verify(case).kind is Kind.OK


def test_a_computed_extent_has_no_inputs() -> None:
    function: Any = from_script(
        """
        def main(a: T.handle):
            n = T.int32()
            A = T.match_buffer(a, (n * 2,), "int32")
            A[0] = n
        """
    )["main"]
    with pytest.raises(InputError, match="is computed"):
        make_inputs(function, 0)
