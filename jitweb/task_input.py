"""Tasks for the tuner: arguments to try their kernels on, and the outputs that they should have."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness import compat
from jitweb.compare import TOLERANCE, errors, scale_of
from jitweb.errors import NotEquations
from jitweb.extent import CHECKED
from jitweb.kernel_reference import NotEvaluable, evaluate, run_plainly
from jitweb.space.emit import function_at, lengths_of
from jitweb.space.equations import index_bounds


@dataclass(frozen=True)
class TaskInput:
    """A task for the tuner: its function, its call sites, and which parameters are weights.

    `weights` are those of one call that can't be drawn at random, by their positions.
    """

    key: str
    name: str
    kind: str
    function: Any
    sites: int
    flops: float
    bytes: float
    constants: frozenset[int]
    writes: tuple[int, ...]
    weights: Mapping[int, np.ndarray] = field(default_factory=dict)

    def at(self, length: int | None) -> TaskInput:
        """The task at a length that its function takes; None is the most."""
        return replace(self, function=function_at(self.function, length))

    @property
    def lengths(self) -> tuple[int | None, ...]:
        """The lengths that its kernels are verified at; None, the most, first."""
        return (
            None,
            *(each for most in lengths_of(self.function) for each in CHECKED if each < most),
        )


ROUNDING = frozenset({"ceil", "floor", "nearbyint", "round", "trunc"})
MOST_WHOLE = 8
WIDE_VALUES = np.array([1, 2, 5, (1 << 33) + 1, -(1 << 33) - 3])


def make_arguments(task: TaskInput) -> list[np.ndarray]:
    """Deterministic arguments for a task: normal floats, and integers that index in range.

    An int64 that is no index is of more than 32 bits. Where floats are rounded, they are small
    whole numbers but zero: else the last bit of a sum would decide which integer is right.
    """
    rng = np.random.default_rng(zlib.crc32(task.key.encode()))
    bounds, is_rounded = index_bounds(task.function), _rounds(task.function)
    arguments = []
    for position, parameter in enumerate(task.function.params):
        shape = tuple(int(extent) for extent in parameter.ty.shape)
        dtype = str(parameter.ty.dtype)
        if position in task.weights:
            arguments.append(task.weights[position])
        elif position in task.writes:
            arguments.append(np.zeros(shape, dtype))
        elif dtype.startswith("float") and is_rounded:
            signs = rng.choice([-1, 1], shape)
            arguments.append((signs * rng.integers(1, MOST_WHOLE + 1, shape)).astype(dtype))
        elif dtype.startswith("float"):
            arguments.append(rng.standard_normal(shape, np.float32).astype(dtype, copy=False))
        elif dtype == "int64" and position not in bounds:
            arguments.append(rng.choice(WIDE_VALUES, shape))
        else:
            arguments.append(rng.integers(0, bounds.get(position, 2), shape).astype(dtype))
    return arguments


def _rounds(function: Any) -> bool:
    """Whether the function makes whole numbers of floats."""

    def is_float(value: Any) -> bool:
        return compat.dtype_of(value).startswith("float")

    for node in compat.nodes(function.body):
        if isinstance(node, compat.Call) and compat.call_name(node) in ROUNDING:
            return True
        if compat.type_key(node) == "Cast" and is_float(node.value) and not is_float(node):
            return True
    return False


def reference_outputs(task: TaskInput, arguments: list[np.ndarray]) -> dict[int, np.ndarray]:
    """The task's outputs for these arguments, with NumPy, or with TVM's plain build if needed."""
    try:
        return evaluate(task.function, arguments)
    except (NotEquations, NotEvaluable):
        results = run_plainly(task.function, arguments)
        return {position: results[position] for position in task.writes}


def difference(
    outputs: Sequence[np.ndarray],
    expected: Mapping[int, np.ndarray],
    writes: Sequence[int],
    tolerance: float = TOLERANCE,
) -> str | None:
    """None if the outputs are correct, else a message that says what is wrong."""
    for position, output in zip(writes, outputs, strict=True):
        wanted = expected[position]
        with np.errstate(over="ignore"):
            wrong = errors(output, wanted.astype(output.dtype)) > tolerance
        if wrong.any():
            place = tuple(int(index) for index in np.argwhere(wrong)[0])
            return (
                f"parameter {position}{list(place)} is {output[place]!r}, "
                f"expected {wanted[place]!r} within {tolerance * scale_of(wanted):.3g}"
            )
    return None
