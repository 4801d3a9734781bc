"""Inputs: arguments for the parameters of a case's main function, from the input seed.

Every buffer is filled, outputs too, so that a program which leaves elements unwritten has a defined
result. Values are moderate (so that most programs are free of signed overflow) with zero, one and
minus one mixed in, because simplifiers have rules for them.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from harness import compat

Argument = np.ndarray | np.generic
MAX_INPUT_ELEMENTS = 1 << 20


class InputError(ValueError):
    """A parameter for which no argument can be made: symbolic shape, handle or unknown dtype."""


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The NumPy dtype of a TVM dtype name; bfloat16 and the float8 dtypes are from ml_dtypes."""
    if dtype == "bool":
        return np.dtype(np.bool_)
    try:
        return np.dtype(getattr(ml_dtypes, dtype, dtype))
    except TypeError:
        raise InputError(f"no input can be made for dtype {dtype}") from None


def make_inputs(function: Any, seed: int) -> list[Argument]:
    """One argument for each parameter of the PrimFunc: an array for a buffer, else a scalar.

    The same function and seed have the same values in every process.

    Raises:
        InputError: no argument can be made for a parameter's shape or dtype.
    """
    rng = np.random.default_rng(seed)
    arguments: list[Argument] = []
    for param in function.params:
        if compat.is_buffer(param):
            shape = compat.static_shape(param)
            if shape is None:
                raise InputError(f"buffer {param.name} has a symbolic shape")
            if int(np.prod(shape, dtype=np.int64)) > MAX_INPUT_ELEMENTS:
                raise InputError(f"buffer {param.name} has more than {MAX_INPUT_ELEMENTS} elements")
            arguments.append(_values(rng, str(param.ty.dtype), shape))
        else:
            arguments.append(_values(rng, compat.dtype_of(param), ())[()])
    return arguments


def copy_arguments(arguments: list[Argument]) -> list[Argument]:
    """Arguments of the same values, in arrays of their own."""
    return [value.copy() if isinstance(value, np.ndarray) else value for value in arguments]


def _values(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    dtype = numpy_dtype(name)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.kind in "iu":
        low = 0 if dtype.kind == "u" else -8
        return rng.integers(low, 9, shape).astype(dtype)
    if dtype.kind == "f" or name in dir(ml_dtypes):
        values = np.asarray(rng.uniform(-4.0, 4.0, shape))
        special = rng.choice([0.0, 1.0, -1.0, 2.0], shape)
        return np.where(rng.random(shape) < 0.1, special, values).astype(dtype)
    raise InputError(f"no input can be made for dtype {name}")
