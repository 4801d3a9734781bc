"""Expectations tolerate differences that rounding can cause, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.semantics import UndefinedBehaviour, compile_program
from harness.semantics.expectation import Expectation, expect
from tests.semantics.helpers import array, module


def expectation(program: str, *args: Any, wgsl_accuracy: bool = False) -> Expectation:
    return expect(compile_program(module(program)), list(args), wgsl_accuracy=wgsl_accuracy)


def outputs(found: Expectation) -> list[Any]:
    """Copies of the expected outputs."""
    return [output.copy() for output in found.outputs]


ELEMENTWISE = """
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    for i in range(64):
        B[i] = EXPRESSION
"""


def elementwise(expression: str, values: np.ndarray, *, wgsl_accuracy: bool = False) -> Expectation:
    program = ELEMENTWISE.replace("EXPRESSION", expression)
    return expectation(program, values, np.zeros_like(values), wgsl_accuracy=wgsl_accuracy)


def uniform(low: float, high: float) -> np.ndarray:
    return np.random.default_rng(0).uniform(low, high, 64).astype(np.float32)


def relative_tolerance(found: Expectation) -> np.ndarray:
    tolerance = found.tolerances[1]
    assert tolerance is not None
    spread: np.ndarray = tolerance / np.abs(found.outputs[1]).astype(float)
    return spread


def test_a_well_conditioned_operation_has_a_small_tolerance() -> None:
    found = elementwise("A[i] * T.float32(1.1) + T.float32(3)", uniform(1, 2))
    assert relative_tolerance(found).max() < 1e-5
    assert found.unstable_fraction == 0


def test_catastrophic_cancellation_has_a_large_tolerance() -> None:
    values = uniform(1, 2)
    found = elementwise("(A[i] * T.float32(1.1) + T.float32(1000)) - T.float32(1000)", values)
    assert np.median(relative_tolerance(found)) > 1e-4


def test_exact_programs_tolerate_nothing() -> None:
    found = elementwise("A[i]", uniform(-1, 1))
    assert found.tolerances == (None, None)
    wrong = outputs(found)
    wrong[1][5] = np.nextafter(wrong[1][5], np.float32(9))
    mismatch = found.mismatch(wrong)
    assert mismatch is not None and (mismatch.buffer, mismatch.index) == (1, (5,))
    assert "parameter 1[5]" in str(mismatch) and "\n" not in str(mismatch)


def test_an_output_agrees_with_itself_and_with_neighbouring_floats() -> None:
    found = elementwise("T.exp(A[i]) / A[i]", uniform(1, 2))
    close = outputs(found)
    assert found.mismatch(close) is None
    close[1] = np.nextafter(close[1], np.float32(np.inf))
    assert found.mismatch(close) is None
    close[1] = close[1] * np.float32(1.001)
    assert found.mismatch(close) is not None


def test_an_integer_near_a_tie_is_unstable() -> None:
    program = """
    def main(A: T.Buffer((2,), "float32"), B: T.Buffer((2,), "int32")):
        for i in range(2):
            B[i] = T.Cast("int32", A[i] * T.float32(0.1))
    """
    # 10 * 0.1 rounds to exactly 1, 15 * 0.1 is far from an integer.
    found = expectation(program, array([10.0, 15.0], "float32"), array([0, 0], "int32"))
    assert found.unstable_fraction == pytest.approx(0.25)
    other = outputs(found)
    other[1][0] = 0
    assert found.mismatch(other) is None
    other[1][1] = 0
    assert found.mismatch(other) is not None


def test_nan_and_infinities_must_be_the_same() -> None:
    found = elementwise("T.log(A[i])", np.repeat(array([-1.0, 0.0, 2.0, 3.0], "float32"), 16))
    assert found.mismatch(list(found.outputs)) is None
    for place, value in ((0, 1.0), (16, np.inf), (40, np.nan)):
        wrong = outputs(found)
        wrong[1][place] = value
        assert found.mismatch(wrong) is not None


def test_zeros_of_either_sign_are_equal() -> None:
    found = elementwise("A[i] * T.float32(3)", np.zeros(64, np.float32))
    negative = outputs(found)
    negative[1] = -negative[1]
    assert found.mismatch(negative) is None


@pytest.mark.parametrize(
    "expression",
    [
        "T.min(T.sqrt(A[i]), T.float32(1))",  # of NaN
        "T.round(A[i] * T.float32(2))",  # of ties
        "T.float32(1) / (A[i] - A[i])",  # of a zero's sign
        "T.Cast('float32', T.sqrt(A[i]) < T.float32(1))",
        # pi or zero, depending on a zero's sign, and so 0 or infinity * 0
        "T.float32(6) / T.atan2(ZERO, T.float32(-1) * ZERO) * ZERO",
        # of two zeros' signs, which a lowering may lose: infinite, or the difference of infinities
        "T.float32(1) / T.atanh(T.float32(-1) * ZERO) + T.float32(1) / T.atanh(ZERO)",
        "T.copysign(T.float32(1), T.sqrt(A[i]))",  # of a NaN's sign
        "T.rsqrt(ZERO * A[i])",  # of infinity's sign, which is the zero's
        "T.pow(ZERO * A[i], T.float32(-3))",
        "T.log(T.float32('inf')) * (ZERO / T.float32(3))",  # infinity * 0, which folds to 0
    ],
)
def test_what_is_unspecified_is_not_compared(expression: str) -> None:
    expression = expression.replace("ZERO", "(A[i] + T.float32(1.25))")
    found = elementwise(expression, np.full(64, -1.25, np.float32))
    tolerance = found.tolerances[1]
    assert found.unstable_fraction > 0 or (tolerance is not None and tolerance.min() >= 1)


def test_perturbed_runs_are_deterministic_in_their_seed() -> None:
    program = compile_program(module(ELEMENTWISE.replace("EXPRESSION", "T.exp(A[i]) * A[i]")))
    values = uniform(-1, 1)
    results = []
    for seed in (1, 1, 2):
        output = np.zeros_like(values)
        program.run([values, output], perturbation_seed=seed)
        results.append(output)
    assert (results[0] == results[1]).all() and (results[0] != results[2]).any()


def test_perturbation_leaves_exact_operations_alone() -> None:
    program = compile_program(
        module(ELEMENTWISE.replace("EXPRESSION", "(A[i] + T.float32(3)) * T.float32(5)"))
    )
    values = np.arange(64, dtype=np.float32)
    output = np.zeros_like(values)
    program.run([values, output], perturbation_seed=1)
    assert (output == (values + 3) * 5).all()


def test_a_program_whose_validity_depends_on_rounding_is_invalid() -> None:
    program = """
    def main(A: T.Buffer((1,), "float32"), B: T.Buffer((4,), "int32")):
        B[T.Cast("int32", A[0] * T.float32(0.1)) - 1] = 1
    """
    # Cast(10 * 0.1) is 1; for a slightly smaller product it is 0, and the index is -1.
    with pytest.raises(UndefinedBehaviour):
        expectation(program, array([10.0], "float32"), array([0] * 4, "int32"))


def test_outputs_of_another_shape_are_refused() -> None:
    found = elementwise("A[i]", uniform(0, 1))
    with pytest.raises(ValueError, match="shape or dtype"):
        found.mismatch([found.outputs[0], np.zeros(3, np.float32)])


def test_a_gpu_may_be_as_inexact_as_wgsl_allows() -> None:
    strict, wgsl = (
        elementwise("T.exp(A[i])", uniform(0, 1), wgsl_accuracy=wgsl_accuracy)
        for wgsl_accuracy in (False, True)
    )
    actual = outputs(strict)
    actual[1] *= np.float32(1 + 2.0**-13)
    assert strict.mismatch(actual) is not None and wgsl.mismatch(actual) is None
    actual[1] *= np.float32(1.02)
    assert wgsl.mismatch(actual) is not None
    assert wgsl.unstable_fraction == 0


@pytest.mark.parametrize(
    "expression",
    [
        "T.exp(A[i] * T.float32(1000))",  # infinite
        "T.max(T.pow(A[i] - T.float32(2), T.float32(0.5)), A[i])",  # a NaN on the way
    ],
)
def test_on_a_gpu_what_depends_on_nan_or_infinity_is_not_compared(expression: str) -> None:
    found = elementwise(expression, uniform(0.5, 1), wgsl_accuracy=True)
    unstable = found.unstable[1]
    assert unstable is not None and unstable.all()
