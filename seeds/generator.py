"""A typed random generator of whole programs, deterministic in its random numbers.

`generate(rng)` returns a module with one public PrimFunc `main` over buffers of several dtypes and
scalars. About a third of the programs are schedulable (their stores are in blocks); the others use
statements of every kind: all kinds of loops, while, break, local buffers, aliases, assertions.
"""

from __future__ import annotations

import random
from typing import Any

import tvm
from tvm import tirx

from harness import compat
from harness.ir.intervals import Interval, input_interval, is_float, limits
from harness.ir.sites import Memory, Scope, Variable
from seeds.blocks import BlockGenerator
from seeds.statements import StatementGenerator

SHAPES: tuple[tuple[int, ...], ...] = (
    (), (1,), (4,), (8,), (16,), (7,), (4, 4), (2, 8), (3, 5), (1, 6), (2, 3, 4), (4, 1, 8), (64,),
)  # fmt: skip
DTYPES = (
    "float32", "float32", "float32", "int32", "int32", "int32", "int8", "uint8", "int64", "float64",
    "bool", "float16", "int16", "uint32", "uint16",
)  # fmt: skip
SCALARS = ("int32", "int32", "int64", "float32", "bool", "uint8", "int8")


def generate(rng: random.Random, size: int = 8) -> Any:
    """An IRModule with a valid program of about `size` statements.

    The same state of `rng` leads to the same program in every process.
    """
    index_dtype = "int64" if rng.random() < 0.1 else "int32"
    statements = StatementGenerator(rng, size, index_dtype)
    scope, parameters = _parameters(rng, statements, wide=rng.random() < 0.4)
    if rng.random() < 0.35:
        body = BlockGenerator(rng, statements).root(scope, max(1, size // 3))
    else:
        body = statements.body(scope, depth=3, length=max(2, size // 3))
    function = tirx.PrimFunc(parameters, body)
    function = function.with_attr("global_symbol", "main").with_attr("s_tir", True)
    if rng.random() < 0.7:
        function = function.with_attr("tirx.noalias", True)
    return tvm.IRModule({"main": function})


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
    parameters = [m.buffer for m in memories] + [v.var for v in variables]
    rng.shuffle(parameters)
    return Scope(tuple(variables), tuple(memories)), parameters


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
