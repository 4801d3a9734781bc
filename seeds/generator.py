"""A typed random generator of whole programs, deterministic in its random numbers.

`generate(rng)` returns a module with one public PrimFunc `main` over buffers of several dtypes and
scalars, and perhaps private ones that it calls. About a third of the programs are schedulable
(their stores are in blocks); the others use statements of every kind: all kinds of loops, while,
break, local buffers, aliases, assertions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tvm
from tvm import tirx

from harness import compat
from harness.ir.intervals import Interval, input_interval, is_float, limits
from harness.ir.rewrite import sequence
from harness.ir.sites import Memory, Scope, Variable
from seeds.blocks import BlockGenerator
from seeds.functions import Helper, make_helpers
from seeds.statements import StatementGenerator

SHAPES: tuple[tuple[int, ...], ...] = (
    (), (1,), (4,), (8,), (16,), (7,), (4, 4), (2, 8), (3, 5), (1, 6), (2, 3, 4), (4, 1, 8), (64,),
)  # fmt: skip
DTYPES = (
    "float32", "float32", "float32", "int32", "int32", "int32", "int8", "uint8", "int64", "float64",
    "bool", "float16", "int16", "uint32", "uint16", "float8_e4m3fn", "float8_e5m2", "int4",
)  # fmt: skip
SCALARS = ("int32", "int32", "int64", "float32", "bool", "uint8", "int8")


def generate(rng: random.Random, size: int = 8) -> Any:
    """An IRModule with a valid program of about `size` statements.

    The same state of `rng` leads to the same program in every process.
    """
    index_dtype = "int64" if rng.random() < 0.1 else "int32"
    statements = StatementGenerator(rng, size, index_dtype)
    scope, parameters = _parameters(rng, statements, wide=rng.random() < 0.4)
    helpers: list[Helper] = []
    if rng.random() < 0.15:
        helpers = statements.helpers = make_helpers(rng, scope, max(2, size // 3))
    if not helpers and rng.random() < 0.35:
        body = BlockGenerator(rng, statements).root(scope, max(1, size // 3))
    else:
        body = statements.body(scope, depth=3, length=max(2, size // 3))
    calls = (helper.call(rng, scope) for helper in helpers)
    body = sequence([body, *(call for call in calls if call is not None)])
    function = tirx.PrimFunc(parameters, body)
    function = function.with_attr("global_symbol", "main").with_attr("s_tir", True)
    if rng.random() < 0.7:
        function = function.with_attr("tirx.noalias", True)
    others = {helper.var: helper.function for helper in helpers}
    return tvm.IRModule({compat.GlobalVar("main"): function, **others})


def generate_compact(rng: random.Random, dtypes: Sequence[str], size: int = 8) -> Any:
    """As `generate`, with compact buffers of these dtypes as its only parameters, and no calls: a
    program that a web target may express."""
    statements = StatementGenerator(rng, size)
    wide = rng.random() < 0.4
    memories = [
        _input(statements, rng.choice(dtypes), rng.choice(SHAPES), wide)
        for _ in range(rng.choice([1, 2, 3]))
    ]
    memories += [
        _widened(statements.declare("out", rng.choice(dtypes), rng.choice(SHAPES)), wide)
        for _ in range(rng.choice([1, 2]))
    ]
    body = statements.body(Scope((), tuple(memories)), depth=3, length=max(2, size // 3))
    function = tirx.PrimFunc([memory.buffer for memory in memories], body)
    function = function.with_attr("global_symbol", "main").with_attr("s_tir", True)
    return tvm.IRModule({"main": function.with_attr("tirx.noalias", True)})


def _parameters(
    rng: random.Random, statements: StatementGenerator, wide: bool
) -> tuple[Scope, list[Any]]:
    """Inputs (only read), outputs (read and written) and scalars, in random order.

    `wide`: the program takes any integer of its parameters' dtypes.
    """
    variables: list[Variable] = []
    memories: list[Memory] = []
    for _ in range(rng.choice([1, 2, 3])):
        memories.append(_input(statements, rng.choice(DTYPES), rng.choice(SHAPES), wide))
    for _ in range(rng.choice([1, 1, 2, 3])):
        memory = statements.declare("out", rng.choice(DTYPES), rng.choice(SHAPES))
        # An element of an output holds an input value until the program writes it.
        memories.append(_widened(memory, wide))
    for _ in range(rng.choice([0, 1, 1, 2])):
        dtype = rng.choice(SCALARS)
        found = None if is_float(dtype) else _taken(dtype, wide)
        variables.append(Variable(compat.Var(statements.name("n"), dtype), dtype, found))
    memories = [_laid_out(rng, statements, memory) for memory in memories]
    parameters = [m.buffer for m in memories] + [v.var for v in variables]
    rng.shuffle(parameters)
    return Scope(tuple(variables), tuple(memories)), parameters


def _laid_out(rng: random.Random, statements: StatementGenerator, memory: Memory) -> Memory:
    """Sometimes with strides or an offset: those of a compact array, or known at run time only."""
    if rng.random() > 0.15 or not memory.shape:
        return memory
    dtype = compat.dtype_of(memory.buffer.ty.shape[0])
    strides: list[Any] = []
    for dim in range(len(memory.shape)) if rng.random() < 0.7 else ():
        compact = tirx.IntImm(dtype, math.prod(memory.shape[dim + 1 :]))
        strides.append(compact if rng.random() < 0.6 else compat.Var(statements.name("s"), dtype))
    offset = compat.Var(statements.name("o"), dtype) if not strides or rng.random() < 0.3 else None
    buffer = tirx.decl_buffer(
        list(memory.buffer.ty.shape), memory.dtype, memory.buffer.name, strides=strides or None,
        elem_offset=offset,
    )  # fmt: skip
    return replace(memory, buffer=buffer)


def _taken(dtype: str, wide: bool) -> Interval:
    """The integers that a parameter may hold."""
    return limits(dtype) if wide else input_interval(dtype)


def _input(
    statements: StatementGenerator, dtype: str, shape: tuple[int, ...], wide: bool
) -> Memory:
    buffer = statements.declare("source", dtype, shape).buffer
    if is_float(dtype):
        return Memory(buffer, dtype, shape, writable=False, finite=True)
    return Memory(buffer, dtype, shape, writable=False, interval=_taken(dtype, wide))


def _widened(memory: Memory, wide: bool) -> Memory:
    if memory.interval is None:
        return memory
    low, high = _taken(memory.dtype, wide)
    interval = (min(low, memory.interval[0]), max(high, memory.interval[1]))
    return Memory(memory.buffer, memory.dtype, memory.shape, interval=interval)
