"""Software pipelines: loops whose statements are marked for overlapping iterations.

The marks fit the program: as many as there are statements, a reader in no earlier stage than the
writer of what it reads, and after it where both are in one stage.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.loop_kinds import SERIAL
from harness.ir.sites import Memory, Scope, Variable
from seeds.statements import StatementGenerator
from seeds.values import constant

STAGES = {2: ((0, 1), (0, 1), (0, 0), (0, 2)), 3: ((0, 1, 2), (0, 1, 1), (0, 0, 1), (0, 2, 3))}
STORAGE = ("local", "global")


class PipelineGenerator:
    """Generates a loop over the rows of a buffer, each of which is computed in some steps."""

    def __init__(self, rng: random.Random, statements: StatementGenerator) -> None:
        self.rng = rng
        self.statements = statements

    def loop(self, scope: Scope, target: Memory) -> Any | None:
        """The loop, which writes every element of the target; None if that has no rows."""
        if len(target.shape) != 2 or target.shape[0] < 2:
            return None
        rng, statements, dtype = self.rng, self.statements, self.statements.index_dtype
        rows, columns = target.shape
        row = compat.Var(statements.name("row"), dtype)
        memories = tuple(replace(m, writable=False) for m in scope.memories if not m.writable)
        outer = Scope(scope.variables, memories, in_block=True)
        outer = outer.with_variable(Variable(row, dtype, (0, rows - 1)))
        count = rng.choice((2, 2, 3))
        allocated, steps, previous = [], [], None
        for step in range(count):
            last = step == count - 1
            like = target if last else self._stage_buffer(target, columns)
            inside = outer if previous is None else outer.with_memory(previous)
            steps.append(self._step(inside, like, row if last else None, columns))
            if not last:
                allocated.append(like.buffer)
                previous = replace(like, writable=False)
        body = self._block(rewrite.sequence(steps), allocated)
        return tirx.For(row, _zero(dtype), constant(dtype, rows).expr, SERIAL, body, None,
                        self._marks(count))  # fmt: skip

    def _stage_buffer(self, target: Memory, columns: int) -> Memory:
        dtype = self.rng.choice((target.dtype, target.dtype, "float32", "int32"))
        return self.statements.declare("stage", dtype, (1, columns), self.rng.choice(STORAGE))

    def _step(self, scope: Scope, target: Memory, row: Any | None, columns: int) -> Any:
        """One statement of the pipeline: a row of its buffer."""
        dtype = self.statements.index_dtype
        column = compat.Var(self.statements.name("col"), dtype)
        inner = scope.with_variable(Variable(column, dtype, (0, columns - 1), is_loop=True))
        value = self.statements.stored_value(inner, target)
        place = [_zero(dtype) if row is None else row, column]
        store = tirx.BufferStore(target.buffer, value.expr, place)
        loop = tirx.For(column, _zero(dtype), constant(dtype, columns).expr, SERIAL, store)
        return self._block(loop, [])

    def _block(self, body: Any, allocated: list[Any]) -> Any:
        name = self.statements.name("block")
        draft = compat.SBlock([], [], [], name, body, None, allocated)
        reads, writes = rewrite.access_regions(draft)
        block = compat.SBlock([], reads, writes, name, body, None, allocated)
        return compat.SBlockRealize([], tirx.IntImm("bool", 1), block)

    def _marks(self, count: int) -> dict[str, Any]:
        """Stages, an order that agrees with them, and perhaps asynchronous ones."""
        stages = self.rng.choice(STAGES[count])
        order = list(range(count))
        if self.rng.random() < 0.3 and len(set(stages)) == count:
            order.reverse()
        marks: dict[str, Any] = {
            "software_pipeline_stage": list(stages),
            "software_pipeline_order": order,
        }
        if self.rng.random() < 0.1:  # which only GPUs have
            marks["software_pipeline_async_stages"] = [0]
        return marks


def _zero(dtype: str) -> Any:
    return constant(dtype, 0).expr
