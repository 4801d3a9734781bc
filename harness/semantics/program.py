"""Program: a module compiled to Python once, to be run on many inputs.

This is the entry point of the reference semantics: `compile_program(module)` returns a Program,
whose `run` changes its arrays as the module's main function would, or raises if the behaviour is
undefined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from tvm import tirx

from harness import compat
from harness.semantics import arithmetic, intrinsics
from harness.semantics.concurrency import AccessHistory, Concurrency, distinct
from harness.semantics.dtypes import NARROW_FLOATS, SUB_BYTE, parse
from harness.semantics.errors import (
    AssertFailed,
    StepLimit,
    UndefinedBehaviour,
    Unsupported,
    undefined,
)
from harness.semantics.inputs import Argument, numpy_dtype, symbols_of
from harness.semantics.memory import Storage
from harness.semantics.perturbation import Perturbation
from harness.semantics.statements import StatementCompiler

STEP_LIMIT = 2_000_000
FLOATS = ("float16", "bfloat16", *NARROW_FLOATS, "float32", "float64")
# Functions with two allowed results although nothing is rounded.
UNSPECIFIED = ("m_round", "m_copysign", "m_atan2", "fdiv", "fmod", "floor_of_quotient")


def compile_program(
    module: Any, entry: str = "main", *, arguments: Sequence[Argument] = ()
) -> Program:
    """Compile the entry function of an IRModule in any state before MakePackedAPI.

    Symbolic extents of its parameters are those of the arguments, for which alone it is compiled.

    Raises:
        Unsupported: the function uses a construct that the interpreter doesn't model.
    """
    function = module[entry]
    if not isinstance(function, tirx.PrimFunc):
        raise Unsupported(f"{entry} is not a PrimFunc")
    others = {str(var.name_hint): other for var, other in module.functions.items()}
    try:
        return Program(function, others, symbols_of(function, arguments))
    except RecursionError:
        raise Unsupported("a program too deeply nested") from None


class Program:
    """A compiled function. `operations` is an upper estimate of the float operations on the
    longest dependence chain; `is_exact` means that rounding can't change a result."""

    def __init__(
        self, function: Any, functions: Mapping[str, Any], symbols: Mapping[Any, int]
    ) -> None:
        self._function, self._functions, self._symbols = function, functions, symbols
        self._is_buffer = [compat.is_buffer(param) for param in function.params]
        self._plain = StatementCompiler(function, functions, symbols, perturbed=False)
        self._code = _compiled(self._plain.source)
        self.operations = self._plain.operations
        unspecified = any(f"{name}(" in self._plain.source for name in UNSPECIFIED)
        self.is_exact = not (self._plain.float_operations or unspecified)

    @property
    def source(self) -> str:
        """The Python source that is executed."""
        return self._plain.source

    @cached_property
    def _perturbed(self) -> tuple[StatementCompiler, Any]:
        compiler = StatementCompiler(self._function, self._functions, self._symbols, perturbed=True)
        return compiler, _compiled(compiler.source)

    def run(
        self,
        args: list[Argument],
        *,
        perturbation_seed: int | None = None,
        wgsl_accuracy: bool = False,
        step_limit: int = STEP_LIMIT,
        unwritten: int | None = None,
    ) -> None:
        """Run on one argument per parameter; arrays are changed in place, if the run succeeds.

        Args:
            perturbation_seed: perturb the run (see perturbation.py) with this seed.
            wgsl_accuracy: perturbations as large as WGSL allows.
            step_limit: the number of loop iterations allowed.
            unwritten: from -127 to 127, in elements (or bytes) that were never written, without
                its sign in unsigned ones; None: the read of such an element is undefined.
        Raises:
            UndefinedBehaviour, AssertFailed, StepLimit: see errors.py.
        """
        if len(args) != len(self._is_buffer):
            raise ValueError(f"{len(self._is_buffer)} arguments are expected, not {len(args)}")
        compiler, code = (self._plain, self._code) if perturbation_seed is None else self._perturbed
        scope = {**_scope(step_limit), **_unwritten_scope(unwritten)}
        if perturbation_seed is not None:
            scope |= _perturbation_scope(perturbation_seed, wgsl_accuracy, compiler.source)
        exec(code, scope)
        pairs = list(zip(args, self._is_buffer, strict=True))
        scalars = [_scalar(value) for value, is_buffer in pairs if not is_buffer]
        arrays = [value for value, is_buffer in pairs if is_buffer]
        storages = [item for item in compiler.parameters if isinstance(item, Storage)]
        memories = [_load(array, storage) for array, storage in zip(arrays, storages, strict=True)]
        try:
            scope["main"](*scalars, *memories)
        except (TypeError, IndexError, ValueError) as error:
            if perturbation_seed is None:
                raise
            # The perturbed run accessed elements that the plain run had not.
            raise UndefinedBehaviour("unwritten-read", f"if perturbed: {error}") from None
        for array, memory, storage in zip(arrays, memories, storages, strict=True):
            if storage.name in compiler.stored:
                _save(array, memory, storage)


def _compiled(source: str) -> Any:
    try:
        return compile(source, "<reference semantics>", "exec")
    except (SyntaxError, RecursionError, MemoryError) as error:
        # Python allows at most twenty nested loops.
        raise Unsupported(f"a program too deeply nested: {error}") from None


def _scalar(value: Argument) -> Any:
    number = value.item()
    return float(number) if isinstance(value, np.inexact) or value.dtype.kind == "V" else number


def _load(array: Any, storage: Storage) -> Any:
    """The memory of a buffer argument, in the form that generated code uses."""
    if numpy_dtype(storage.dtype.scalar) != array.dtype or array.size != storage.size.low:
        raise ValueError(
            f"{storage.label} takes {storage.size.low} elements of {storage.dtype.scalar}, "
            f"not {array.size} of {array.dtype}"
        )
    if storage.is_bytes:
        data = array.tobytes()
        return bytearray(data + bytes(-len(data) % 8))
    if storage.dtype.scalar in ("float16", "bfloat16", *NARROW_FLOATS):
        return array.astype(np.float64).ravel().tolist()
    if storage.dtype.scalar in SUB_BYTE:
        return array.astype(np.int8).ravel().tolist()
    return array.ravel().tolist()


def _save(array: Any, memory: Any, storage: Storage) -> None:
    dtype = array.dtype
    if storage.is_bytes:
        values = np.frombuffer(memory, dtype=dtype, count=array.size)
    elif storage.dtype.scalar in ("bfloat16", *NARROW_FLOATS, *SUB_BYTE):
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
    """The names that generated code uses, apart from those of a single run."""
    scope: dict[str, Any] = {
        "inf": math.inf, "nan": math.nan, "undefined": undefined,
        "overflow": arithmetic.overflow, "assert_failed": _assert_failed,
        "step_limit": _step_limit, "distinct": distinct,
        "AccessHistory": AccessHistory,
        "tdiv": arithmetic.truncate_divide, "tmod": arithmetic.truncate_modulo,
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
            scope[f"growth_{name}"] = intrinsic.growth
    for name, predicate in intrinsics.PREDICATES.items():
        scope[f"m_{name}"] = predicate
    for name in FLOATS:
        scope[f"round_{name}"] = arithmetic.rounder(parse(name))
    for name in ("float16", "bfloat16", *NARROW_FLOATS):
        unsigned = f"uint{parse(name).bits}"
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


def _unwritten_scope(value: int | None) -> dict[str, Any]:
    """What stands in elements that were never written, for each kind of dtype."""
    unsigned = None if value is None else abs(value)
    bit = None if unsigned is None else min(unsigned, 1)
    return {"UNWRITTEN": value, "UNWRITTEN_UNSIGNED": unsigned, "UNWRITTEN_BIT": bit}


def _perturbation_scope(seed: int, wgsl_accuracy: bool, source: str) -> dict[str, Any]:
    """The names that a perturbed run adds, for the dtypes that the source uses."""
    scope: dict[str, Any] = {}
    perturbation = Perturbation(seed, wgsl_accuracy=wgsl_accuracy)
    for name in FLOATS:
        dtype = parse(name)
        if f"factor_{name}(" in source:
            scope[f"factor_{name}"] = perturbation.factors(dtype.epsilon)
            scope[f"flush_{name}"] = perturbation.flusher(dtype.smallest_normal)
        if f"perturb_{name}(" in source:
            round_to = arithmetic.rounder(dtype)
            scope[f"perturb_{name}"] = perturbation.function_error(round_to, dtype.epsilon)
    return scope | perturbation.comparisons() | perturbation.alternatives()
