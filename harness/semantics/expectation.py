"""Expectation: what a program's outputs must be, and how far a correct compilation may deviate.

The program runs once plainly and a few times perturbed (perturbation.py). For each element:

* an integer (or bool) must be exact, unless it differs between the runs: then it depends on a float
  comparison or conversion near a tie, is *unstable* and not compared;
* a float may deviate by SAFETY times the largest deviation that a perturbed run showed for it, or
  for the median element of its buffer if that is more (few runs may all happen to miss an element's
  own sensitivity), plus a few units in the last place;
* an element that is NaN or infinite in some runs and not in others is unstable; else NaN must be
  NaN and an infinity the same infinity;
* zeros of either sign are equal. Where the sign of a zero matters (division, copysign, atan2), the
  perturbed runs try both signs, and what depends on it is unstable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.semantics.dtypes import NARROW_FLOATS, parse
from harness.semantics.inputs import Argument, copy_arguments
from harness.semantics.program import STEP_LIMIT, Program

SAFETY = 8.0
ULPS = 4.0
FLOATS = ("float16", "bfloat16", *NARROW_FLOATS, "float32", "float64")


@dataclass(frozen=True)
class Mismatch:
    """The first wrong element. `buffer` is the index of the parameter, scalars included."""

    buffer: int
    index: tuple[int, ...]
    expected: Any
    actual: Any
    tolerance: float
    count: int  # the number of wrong elements in this buffer

    def __str__(self) -> str:
        where = ", ".join(str(part) for part in self.index)
        near = f" within {self.tolerance:.3g}" if self.tolerance else ""
        more = f", and {self.count - 1} more" if self.count > 1 else ""
        return (
            f"parameter {self.buffer}[{where}] is {self.actual!r}, "
            f"expected {self.expected!r}{near}{more}"
        )


@dataclass(frozen=True)
class Expectation:
    """Reference outputs (one per parameter), tolerances, and which elements are not compared."""

    outputs: tuple[Argument, ...]
    tolerances: tuple[np.ndarray | None, ...]  # None: exact
    unstable: tuple[np.ndarray | None, ...]  # None: all are stable

    @property
    def unstable_fraction(self) -> float:
        """The fraction of the buffers' elements that are not compared."""
        total = sum(output.size for output in self.outputs if isinstance(output, np.ndarray))
        skipped = sum(int(mask.sum()) for mask in self.unstable if mask is not None)
        return skipped / total if total else 0.0

    def mismatch(self, actual: list[Argument] | tuple[Argument, ...]) -> Mismatch | None:
        """The first wrong element of these outputs (in the order of the parameters), or None.

        Raises:
            ValueError: a shape or dtype is not that of the expected output.
        """
        for number, (expected, got) in enumerate(zip(self.outputs, actual, strict=True)):
            if not isinstance(expected, np.ndarray):
                continue
            if not isinstance(got, np.ndarray) or (got.shape, got.dtype) != (
                expected.shape, expected.dtype,
            ):  # fmt: skip
                raise ValueError(f"parameter {number} has another shape or dtype than expected")
            found = self._compare(number, expected, got)
            if found is not None:
                return found
        return None

    def _compare(self, number: int, expected: np.ndarray, got: np.ndarray) -> Mismatch | None:
        tolerance, unstable = self.tolerances[number], self.unstable[number]
        if expected.tobytes() == got.tobytes():
            return None
        if tolerance is None:
            wrong = expected != got
        else:
            with np.errstate(all="ignore"):
                wide, other = _wide(expected), _wide(got)
                same = (wide == other) | (np.isnan(wide) & np.isnan(other))
                wrong = ~(same | (np.abs(wide - other) <= tolerance))
        if unstable is not None:
            wrong &= ~unstable
        count = int(np.count_nonzero(wrong))
        if not count:
            return None
        index = tuple(int(part) for part in np.argwhere(wrong)[0])
        allowed = 0.0 if tolerance is None else float(tolerance[index])
        return Mismatch(number, index, expected[index].item(), got[index].item(), allowed, count)


def expect(
    program: Program,
    args: list[Argument],
    perturbed_runs: int = 16,
    *,
    wgsl_accuracy: bool = False,
    step_limit: int = STEP_LIMIT,
) -> Expectation:
    """The expectation of a program on these arguments, which are not changed.

    `wgsl_accuracy`: for a device that is only as accurate as WGSL requires. There, elements that
    are not finite, or whose tolerance exceeds their own magnitude, are not compared.

    Raises:
        UndefinedBehaviour, AssertFailed, StepLimit: the program has no result on these arguments,
            or rounding decides whether it has one.
    """
    outputs = copy_arguments(args)
    program.run(outputs, step_limit=step_limit)
    runs: list[list[Argument]] = []
    if not program.is_exact:
        for seed in range(1, perturbed_runs + 1):
            run = copy_arguments(args)
            program.run(
                run, perturbation_seed=seed, wgsl_accuracy=wgsl_accuracy, step_limit=step_limit
            )
            runs.append(run)
    tolerances: list[np.ndarray | None] = []
    unstable: list[np.ndarray | None] = []
    for number, output in enumerate(outputs):
        samples = [run[number] for run in runs]
        tolerance, mask = _spread(output, samples, program.operations)
        if wgsl_accuracy and tolerance is not None:
            mask = _either(mask, _undecided(_wide(np.asarray(output)), tolerance))
        tolerances.append(tolerance)
        unstable.append(mask)
    return Expectation(tuple(outputs), tuple(tolerances), tuple(unstable))


def _either(mask: np.ndarray | None, other: np.ndarray) -> np.ndarray:
    return other if mask is None else mask | other


def _undecided(output: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    return ~np.isfinite(output) | (tolerance > np.maximum(np.abs(output), 1.0))


def _wide(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64)


def _spread(
    output: Argument, samples: list[Argument], operations: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The tolerance and the unstable elements of one output."""
    if not isinstance(output, np.ndarray) or not samples:
        return None, None
    if output.dtype.name not in FLOATS:
        changed = np.zeros(output.shape, np.bool_)
        for sample in samples:
            changed |= sample != output
        return None, changed if changed.any() else None
    reference = _wide(output)
    finite = np.isfinite(reference)
    unstable = np.zeros(output.shape, np.bool_)
    deviation = np.zeros(output.shape)
    with np.errstate(all="ignore"):
        for sample in samples:
            wide = _wide(np.asarray(sample))
            same = (wide == reference) | (np.isnan(wide) & np.isnan(reference))
            unstable |= ~same & ~(finite & np.isfinite(wide))
            difference = np.where(same, 0.0, np.abs(wide - reference))
            deviation = np.maximum(deviation, np.nan_to_num(difference, posinf=0.0))
    moved = deviation[deviation > 0]
    typical = float(np.median(moved)) if moved.size else 0.0
    dtype = parse(output.dtype.name)
    ulps = (ULPS + np.sqrt(operations)) * dtype.epsilon * np.where(finite, np.abs(reference), 0.0)
    # Below the smallest normal value a result may be flushed to zero, or its parts have been.
    floor = ULPS * dtype.smallest_normal
    return SAFETY * np.maximum(deviation, typical) + ulps + floor, _or_none(unstable)


def _or_none(mask: np.ndarray) -> np.ndarray | None:
    return mask if mask.any() else None
