"""Functions that a generated program calls: of pointers and scalars, as TVM takes them.

Each is made for buffers that the program has, and may call those that were made before it. A call
passes buffers of the same dtype, shape and content, and scalars within what it was made for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from tvm import ir, tirx

from harness import compat
from harness.ir.rewrite import sequence
from harness.ir.sites import Memory, Scope, Variable
from seeds.expressions import ExpressionGenerator
from seeds.statements import StatementGenerator, pointer_to

SCALARS = (("int32", (0, 7)), ("int32", (-8, 8)), ("int64", (0, 50)), ("float32", None))


@dataclass(frozen=True)
class Helper:
    """A function, the buffers that it was made for, and its scalars."""

    var: Any
    function: Any
    memories: tuple[Memory, ...]
    scalars: tuple[Variable, ...]

    def call(self, rng: random.Random, scope: Scope) -> Any | None:
        """A call from this scope as a statement; None where the scope has no such buffers."""
        chosen: list[Memory] = []
        for wanted in self.memories:
            usable = [m for m in scope.memories if _serves(m, wanted) and m not in chosen]
            if not usable:
                return None
            chosen.append(rng.choice(usable))
        generator = ExpressionGenerator(rng, scope)
        values = [_argument(generator, scalar) for scalar in self.scalars]
        pointers = [pointer_to(memory.buffer) for memory in chosen]
        return tirx.Evaluate(compat.call_of(self.var, [*pointers, *values]))


def make_helpers(rng: random.Random, scope: Scope, size: int) -> list[Helper]:
    """One to three functions for the buffers of a scope, each of about so many statements."""
    helpers: list[Helper] = []
    for number in range(rng.choice((1, 1, 2, 3))):
        helper = _make(rng, scope, size, number, helpers)
        if helper is not None:
            helpers.append(helper)
    return helpers


def _make(
    rng: random.Random, scope: Scope, size: int, number: int, known: list[Helper]
) -> Helper | None:
    usable = [m for m in scope.memories if compat.static_shape(m.buffer) is not None]
    targets = [memory for memory in usable if memory.writable]
    if not targets:
        return None
    statements = StatementGenerator(rng, size)
    statements.helpers, statements.in_helper = list(known), True
    wanted = [rng.choice(targets)]
    others = [memory for memory in usable if memory is not wanted[0]]
    wanted += rng.sample(others, min(len(others), rng.choice((0, 1, 1, 2))))
    memories: list[Memory] = []
    for memory in wanted:
        made = statements.declare("held", memory.dtype, memory.shape)
        memories.append(replace(memory, buffer=made.buffer))
    scalars = []
    for dtype, found in rng.sample(SCALARS, rng.choice((0, 1, 1, 2))):
        scalars.append(Variable(compat.Var(statements.name("n"), dtype), dtype, found))
    pointers = [
        compat.Var(statements.name("p"), ir.PointerType(ir.PrimType(memory.dtype), "global"))
        for memory in memories
    ]
    views = [
        tirx.DeclBuffer(memory.buffer, data=var)
        for memory, var in zip(memories, pointers, strict=True)
    ]
    body = statements.body(Scope(tuple(scalars), tuple(memories)), depth=2, length=2)
    parameters = [*pointers, *(scalar.var for scalar in scalars)]
    function = tirx.PrimFunc(parameters, sequence([*views, body])).with_attr("s_tir", True)
    var = compat.GlobalVar(f"helper{number}")
    return Helper(var, function, tuple(memories), tuple(scalars))


def _serves(memory: Memory, wanted: Memory) -> bool:
    """Whether a function that was made for one buffer may be given the other one."""
    if memory.fixed or not memory.readable or (wanted.writable and not memory.writable):
        return False
    shape = (memory.dtype, memory.shape, str(memory.buffer.ty.storage_scope) or "global")
    if shape != (wanted.dtype, wanted.shape, "global"):
        return False
    return (memory.interval, memory.finite) == (wanted.interval, wanted.finite)


def _argument(generator: ExpressionGenerator, scalar: Variable) -> Any:
    if scalar.interval is None:
        return generator.draw(scalar.dtype, 2).expr
    return generator.within(scalar.dtype, scalar.interval, 2).expr
