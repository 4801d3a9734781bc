"""Inputs: arguments for the parameters of a case's main function, from the input seed.

Every buffer is filled, outputs too, so that a program which leaves elements unwritten has a defined
result. Integers are small for an even seed, which keeps most programs free of signed overflow. For
an odd seed they are drawn from all of their dtype, corners first; where the program has no meaning
on such inputs, `reference.py` goes on to the narrower draws of `draws_of`, down to the small ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import ml_dtypes
import numpy as np

from harness import compat
from harness.semantics.dtypes import SUB_BYTE

Argument = np.ndarray | np.generic
MAX_INPUT_ELEMENTS = 1 << 20
# What a symbolic extent may be at run time.
EXTENTS = (1, 2, 3, 4, 5, 7, 8, 16, 17)
NO_EXTENTS: Mapping[str, int] = MappingProxyType({})


class Draw(IntEnum):
    """Which integers a parameter is filled with, the widest first."""

    WHOLE = 0  # all of the dtype
    SOME_WHOLE = 1  # all of the dtype for some parameters, as PRODUCTS for the others
    PRODUCTS = 2  # so that the product of two values fits the dtype
    SOME_PRODUCTS = 3  # as PRODUCTS for some parameters, small for the others
    SMALL = 4


_MIXED = {
    Draw.SOME_WHOLE: (Draw.WHOLE, Draw.PRODUCTS),
    Draw.SOME_PRODUCTS: (Draw.PRODUCTS, Draw.SMALL),
}


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


def draws_of(function: Any, seed: int) -> Sequence[Draw]:
    """The draws to try for this seed, in order; only one where no parameter is an integer."""
    integers = any(_numpy_dtype_of(param).kind in "iu" for param in function.params)
    return tuple(Draw) if seed % 2 and integers else (Draw.SMALL,)


def make_inputs(
    function: Any, seed: int, draw: Draw = Draw.SMALL, extents: Mapping[str, int] = NO_EXTENTS
) -> list[Argument]:
    """One argument for each parameter of the PrimFunc: an array for a buffer, else a scalar.

    The same function, seed and draw have the same values in every process. `extents` are those of
    symbolic extents, by name, that the seed doesn't draw.

    Raises:
        InputError: no argument can be made for a parameter's shape or dtype.
    """
    rng = np.random.default_rng(seed)
    symbols = {
        symbol: extents.get(str(symbol.name), value)
        for symbol, value in _draw_symbols(function, seed).items()
    }
    arguments: list[Argument] = []
    for param in function.params:
        if param in symbols:
            dtype = numpy_dtype(compat.dtype_of(param))
            arguments.append(np.asarray(symbols[param]).astype(dtype)[()])
        elif compat.is_buffer(param):
            shape = _shape(param, symbols)
            if int(np.prod(shape, dtype=np.int64)) > MAX_INPUT_ELEMENTS:
                raise InputError(f"buffer {param.name} has more than {MAX_INPUT_ELEMENTS} elements")
            arguments.append(_values(rng, str(param.ty.dtype), shape, _own(draw, rng)))
        else:
            arguments.append(_values(rng, compat.dtype_of(param), (), _own(draw, rng))[()])
    return arguments


def symbols_of(function: Any, arguments: Sequence[Argument]) -> dict[Any, int]:
    """The values of the variables that are extents of parameters, by the arguments' shapes."""
    found: dict[Any, int] = {}
    for param, argument in zip(function.params, arguments, strict=False):
        if compat.is_buffer(param) and isinstance(argument, np.ndarray):
            for extent, size in zip(param.ty.shape, argument.shape, strict=False):
                if compat.type_key(extent) == "Var":
                    found.setdefault(extent, size)
    return found


def _draw_symbols(function: Any, seed: int) -> dict[Any, int]:
    """A value of its own for each variable that is an extent of a parameter."""
    rng = np.random.default_rng((seed, 1))
    found: dict[Any, int] = {}
    for param in function.params:
        for extent in param.ty.shape if compat.is_buffer(param) else ():
            if compat.type_key(extent) == "Var" and extent not in found:
                found[extent] = int(rng.choice(EXTENTS))
    return found


def _shape(buffer: Any, symbols: Mapping[Any, int]) -> tuple[int, ...]:
    shape = []
    for extent in buffer.ty.shape:
        if not isinstance(extent, compat.IntImm) and extent not in symbols:
            raise InputError(f"buffer {buffer.name} has an extent that is computed")
        shape.append(symbols[extent] if extent in symbols else int(extent))
    return tuple(shape)


def _own(draw: Draw, rng: np.random.Generator) -> Draw:
    """The draw of one parameter."""
    return _MIXED[draw][int(rng.random() < 0.5)] if draw in _MIXED else draw


def _numpy_dtype_of(param: Any) -> np.dtype[Any]:
    return numpy_dtype(str(param.ty.dtype) if compat.is_buffer(param) else compat.dtype_of(param))


def copy_arguments(arguments: list[Argument]) -> list[Argument]:
    """Arguments of the same values, in arrays of their own."""
    return [value.copy() if isinstance(value, np.ndarray) else value for value in arguments]


def _values(rng: np.random.Generator, name: str, shape: tuple[int, ...], draw: Draw) -> np.ndarray:
    dtype = numpy_dtype(name)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.kind in "iu":
        return _integers(rng, dtype, shape, draw)
    if name in SUB_BYTE:
        low, high = (0, 16) if name.startswith("u") else (-8, 8)
        return rng.integers(low, high, shape).astype(dtype)
    if dtype.kind == "f" or name in dir(ml_dtypes):
        values = np.asarray(rng.uniform(-4.0, 4.0, shape))
        special = rng.choice([0.0, 1.0, -1.0, 2.0], shape)
        return np.where(rng.random(shape) < 0.1, special, values).astype(dtype)
    raise InputError(f"no input can be made for dtype {name}")


def _integers(
    rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...], draw: Draw
) -> np.ndarray:
    if draw is Draw.SMALL:
        low = 0 if dtype.kind == "u" else -8
        return rng.integers(low, 9, shape).astype(dtype)
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if draw is Draw.PRODUCTS:
        most = (1 << (most.bit_length() // 2)) - 1
        least = -most if least else 0
    values = rng.integers(least, most, shape, dtype, endpoint=True)
    # As many values near zero and powers of two as at the ends and in between.
    bits = rng.integers(0, most.bit_length(), shape)
    corners = np.array([least, least + 1, most, most - 1, 0, 1, most // 2, most // 2 + 1], dtype)
    kind = rng.random(shape)
    values = np.where(kind < 0.4, values >> bits.astype(dtype), values)
    return np.where(kind < 0.2, rng.choice(corners, shape), values).astype(dtype)
