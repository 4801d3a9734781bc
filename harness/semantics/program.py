"""Program: a module compiled to Python, once, to be run on many inputs.

This is the entry to the reference semantics: `compile_program(module)` gives a Program, whose `run`
changes its arrays as the module's main function would, or raises why it has no meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from harness import compat
from harness.semantics import arithmetic, intrinsics
from harness.semantics.concurrency import Concurrency, Tags, distinct
from harness.semantics.dtypes import parse
from harness.semantics.errors import (
    AssertFailed,
    StepLimit,
    UndefinedBehaviour,
    Unsupported,
    undefined,
)
from harness.semantics.inputs import numpy_dtype
from harness.semantics.memory import Storage
from harness.semantics.noise import Noise
from harness.semantics.statements import StatementCompiler

STEP_LIMIT = 5_000_000
FLOATS = ("float16", "bfloat16", "float32", "float64")
# What has two answers although nothing is rounded.
UNSPECIFIED = ("m_round", "m_copysign", "m_atan2", "fdiv", "fmod", "floor_of_quotient")
Argument = np.ndarray | np.generic


def compile_program(module: Any, entry: str = "main") -> Program:
    """Compile the entry function of an IRModule in any state before MakePackedAPI.

    Raises:
        Unsupported: the function uses a construct that the interpreter has no model of.
    """
    function = module[entry]
    if not hasattr(function, "params") or not hasattr(function, "body"):
        raise Unsupported(f"{entry} is not a PrimFunc")
    others = {str(var.name_hint): other for var, other in module.functions.items()}
    try:
        return Program(function, others)
    except RecursionError:
        raise Unsupported("a program too deeply nested") from None


class Program:
    """A compiled function. `operations` is an upper estimate of the floating operations on the
    longest chain; `is_exact` says that there is nothing that rounding could move."""

    def __init__(self, function: Any, functions: Mapping[str, Any]) -> None:
        self._function, self._functions = function, functions
        self._is_buffer = [compat.is_buffer(param) for param in function.params]
        self._plain = StatementCompiler(function, functions, noisy=False)
        self._code = _compiled(self._plain.source)
        self.operations = self._plain.operations
        unspecified = any(f"{name}(" in self._plain.source for name in UNSPECIFIED)
        self.is_exact = not (self._plain.float_operations or unspecified)

    @property
    def source(self) -> str:
        """The Python source, for whoever wants to know what is really run."""
        return self._plain.source

    @cached_property
    def _noisy(self) -> tuple[StatementCompiler, Any]:
        compiler = StatementCompiler(self._function, self._functions, noisy=True)
        return compiler, _compiled(compiler.source)

    def run(
        self,
        args: list[Argument],
        *,
        noise_seed: int | None = None,
        loose: bool = False,
        step_limit: int = STEP_LIMIT,
    ) -> None:
        """Run on one argument a parameter; arrays are changed in place, and only if it succeeds.

        Args:
            noise_seed: run in noise mode (see noise.py) with this seed.
            loose: noise as large as WGSL allows.
            step_limit: the number of loop iterations allowed.
        Raises:
            UndefinedBehaviour, AssertFailed, StepLimit: see errors.py.
        """
        if len(args) != len(self._is_buffer):
            raise ValueError(f"{len(self._is_buffer)} arguments are expected, not {len(args)}")
        compiler, code = (self._plain, self._code) if noise_seed is None else self._noisy
        scope = _scope(step_limit)
        if noise_seed is not None:
            scope |= _noise_scope(noise_seed, loose, compiler.source)
        exec(code, scope)
        pairs = list(zip(args, self._is_buffer, strict=True))
        scalars = [_scalar(value) for value, is_buffer in pairs if not is_buffer]
        arrays = [value for value, is_buffer in pairs if is_buffer]
        storages = [item for item in compiler.parameters if isinstance(item, Storage)]
        memories = [_load(array, storage) for array, storage in zip(arrays, storages, strict=True)]
        try:
            scope["main"](*scalars, *memories)
        except (TypeError, IndexError, ValueError) as error:
            if noise_seed is None:
                raise
            # Noise led the program astray, to elements that the plain run had left alone.
            raise UndefinedBehaviour("unwritten-read", f"under noise: {error}") from None
        for array, memory, storage in zip(arrays, memories, storages, strict=True):
            if storage.name in compiler.stored:
                _save(array, memory, storage)


def _compiled(source: str) -> Any:
    try:
        return compile(source, "<reference semantics>", "exec")
    except (SyntaxError, RecursionError, MemoryError) as error:
        # Python nests at most twenty loops.
        raise Unsupported(f"a program too deeply nested: {error}") from None


def _scalar(value: Argument) -> Any:
    number = value.item()
    return float(number) if isinstance(value, np.inexact) or value.dtype.kind == "V" else number


def _load(array: Any, storage: Storage) -> Any:
    """The memory of a buffer argument, as generated code wants it."""
    if numpy_dtype(storage.dtype.scalar) != array.dtype or array.size != storage.size.low:
        raise ValueError(
            f"{storage.label} wants {storage.size.low} elements of {storage.dtype.scalar}, "
            f"not {array.size} of {array.dtype}"
        )
    if storage.is_bytes:
        data = array.tobytes()
        return bytearray(data + bytes(-len(data) % 8))
    if storage.dtype.scalar in ("float16", "bfloat16"):
        return array.astype(np.float64).ravel().tolist()
    return array.ravel().tolist()


def _save(array: Any, memory: Any, storage: Storage) -> None:
    dtype = array.dtype
    if storage.is_bytes:
        values = np.frombuffer(memory, dtype=dtype, count=array.size)
    elif storage.dtype.scalar == "bfloat16":
        values = np.array(memory, np.float64).astype(dtype)
    else:
        values = np.array(memory, dtype=dtype)
    array[...] = values.reshape(array.shape)


def _assert_failed(message: str) -> NoReturn:
    raise AssertFailed(message or "an assertion is false")


def _step_limit() -> NoReturn:
    raise StepLimit("more loop iterations than allowed")


def _nextafter(dtype: Any) -> Callable[[float, float], float]:
    return lambda a, b: float(np.nextafter(dtype(a), dtype(b)))


def _constant_scope() -> dict[str, Any]:
    """What generated code finds by name, apart from what belongs to one run."""
    scope: dict[str, Any] = {
        "inf": math.inf, "nan": math.nan, "undefined": undefined,
        "overflow": arithmetic.overflow, "assert_failed": _assert_failed,
        "step_limit": _step_limit, "distinct": distinct,
        "Tags": Tags, "tdiv": arithmetic.truncate_divide, "tmod": arithmetic.truncate_modulo,
        "fdiv": arithmetic.divide_floats, "fmod": arithmetic.remainder_of_floats,
        "floor_of_quotient": arithmetic.floor_of_quotient, "wrap": arithmetic.wrap,
        "float_to_int": arithmetic.float_to_int, "int_to_float": arithmetic.int_to_float,
        "check_shift": arithmetic.check_shift, "popcount": intrinsics.population_count,
        "clz": intrinsics.count_leading_zeros, "multiply_shift": intrinsics.multiply_shift,
        "ldexp": intrinsics.guarded(lambda x, n: math.ldexp(x, int(n))),
        "nextafter_float32": _nextafter(np.float32), "nextafter_float64": _nextafter(np.float64),
        "minimum": lambda a, b: a if a < b else b, "maximum": lambda a, b: a if a > b else b,
        "times_zero": lambda value, zero: value, "F": memoryview(bytearray(4)).cast("f"),
    }  # fmt: skip
    for name, intrinsic in intrinsics.INTRINSICS.items():
        scope[f"m_{name}"] = intrinsic.function
        if intrinsic.growth is not None:
            scope[f"g_{name}"] = intrinsic.growth
    for name, predicate in intrinsics.PREDICATES.items():
        scope[f"m_{name}"] = predicate
    for name in FLOATS:
        scope[f"round_{name}"] = arithmetic.rounder(parse(name))
    for name in ("float16", "bfloat16"):
        unsigned = "uint16"
        scope[f"decode_{name}"] = arithmetic.reinterpreter(unsigned, name)
        scope[f"encode_{name}"] = arithmetic.reinterpreter(name, unsigned)
    for bits in (8, 16, 32, 64):
        names = [name for name in _SCALARS if parse(name).bits == bits]
        for source in names:
            for target in names:
                if source != target:
                    function = arithmetic.reinterpreter(source, target)
                    scope[f"reinterpret_{source}_as_{target}"] = function
    return scope


_SCALARS = (*FLOATS, *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
            "bool")  # fmt: skip
_CONSTANT_SCOPE = _constant_scope()


def _scope(step_limit: int) -> dict[str, Any]:
    return {**_CONSTANT_SCOPE, "S": [step_limit], "K": Concurrency()}


def _noise_scope(seed: int, loose: bool, source: str) -> dict[str, Any]:
    """What noise mode adds to the names, for the dtypes that the source speaks of."""
    scope: dict[str, Any] = {}
    noise = Noise(seed, loose=loose)
    for name in FLOATS:
        dtype = parse(name)
        if f"factor_{name}(" in source:
            scope[f"factor_{name}"] = noise.factors(dtype.epsilon)
            scope[f"flush_{name}"] = noise.flusher(dtype.smallest_normal)
        if f"shake_{name}(" in source:
            scope[f"shake_{name}"] = noise.shaker(arithmetic.rounder(dtype), dtype.epsilon)
    return scope | noise.comparisons() | noise.choices()
