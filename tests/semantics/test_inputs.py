"""Inputs: small for an even seed, as wide as the program's meaning allows for an odd one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.case import Case, module_text
from harness.semantics.inputs import Draw, draws_of, make_inputs
from harness.semantics.reference import reference_of
from seeds.recipe import from_script

WIDE_SEED, SMALL_SEED = 1, 2
ELEMENTS = 64


def largest(expression: str, dtype: str = "int32", seed: int = WIDE_SEED) -> int:
    """The largest magnitude among the inputs that the reference uses for `B[i] = expression`."""
    script = f"""
        def main(A: T.Buffer(({ELEMENTS},), "{dtype}"), B: T.Buffer(({ELEMENTS},), "{dtype}")):
            for i in range({ELEMENTS}):
                B[i] = {expression}
    """
    source = np.asarray(
        reference_of(Case(module_text(from_script(script)), input_seed=seed)).inputs[0]
    )
    return int(np.abs(source.astype(object)).max())


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64", "uint64"])
def test_a_wide_draw_has_the_ends_of_the_dtype_and_small_values(dtype: str) -> None:
    script = f'def main(A: T.Buffer((400,), "{dtype}")):\n    A[0] = A[1]'
    values = np.asarray(make_inputs(from_script(script)["main"], WIDE_SEED, Draw.WHOLE)[0])
    ends = np.iinfo(dtype)
    assert {int(ends.min), int(ends.max), 0, 1} <= set(values.tolist())
    assert sum(-100 <= value <= 100 for value in values.tolist()) > 20


def test_inputs_are_the_same_each_time_and_others_for_another_draw() -> None:
    function = from_script('def main(A: T.Buffer((9,), "int32"), n: T.int64):\n    A[0] = A[1]')[
        "main"
    ]
    for draw in Draw:
        first, again = (make_inputs(function, WIDE_SEED, draw) for _ in range(2))
        assert np.array_equal(first[0], again[0]) and first[1] == again[1]
    wide, small = (make_inputs(function, WIDE_SEED, draw) for draw in (Draw.WHOLE, Draw.SMALL))
    assert not np.array_equal(wide[0], small[0])


def test_what_can_not_overflow_gets_the_whole_range() -> None:
    assert largest("T.max(A[i], 3) - T.max(A[i], 3) // 2") > 1 << 30
    assert largest("A[i] - T.int8(0)", "int8") > 100


def test_what_would_overflow_gets_less() -> None:
    assert 1 << 10 < largest("A[i] * A[i]") < 1 << 16
    assert largest("A[i] * A[i] * A[i] * A[i] * A[i]") <= 8


def test_an_even_seed_is_small_and_floats_have_one_draw() -> None:
    assert largest("T.max(A[i], 3)", seed=SMALL_SEED) <= 8
    floats = from_script('def main(A: T.Buffer((4,), "float32")):\n    A[0] = A[1]')["main"]
    assert list(draws_of(floats, WIDE_SEED)) == [Draw.SMALL]
    whole = from_script('def main(A: T.Buffer((4,), "float32"), n: T.int8):\n    A[0] = A[1]')
    assert list(draws_of(whole["main"], WIDE_SEED)) == list(Draw)
    assert list(draws_of(whole["main"], SMALL_SEED)) == [Draw.SMALL]
