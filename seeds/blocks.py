"""Random schedulable programs: loop nests around blocks with spatial and reduction iterators.

No two instances of a block write the same element: each spatial iterator indexes a dimension of the
one buffer that the block writes. Read and write regions are those that TVM detects, or whole
buffers.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.intervals import is_float
from harness.ir.loop_kinds import PARALLEL, SERIAL
from harness.ir.sites import Memory, Scope, Variable
from seeds.pipelines import PipelineGenerator
from seeds.statements import StatementGenerator
from seeds.values import NARROW_FLOATS, constant

SPATIAL, REDUCTION = tirx.IterVar.DataPar, tirx.IterVar.CommReduce


class BlockGenerator:
    """Generates the root block of a schedulable function."""

    def __init__(self, rng: random.Random, statements: StatementGenerator) -> None:
        self.rng = rng
        self.statements = statements

    def root(self, scope: Scope, count: int) -> Any:
        """The realized root block: `count` stages, some of which fill a buffer for later ones."""
        allocated: list[Any] = []
        stages: list[Any] = []
        for index in range(count):
            outputs = [m for m in scope.memories if m.writable]
            if self.rng.random() < 0.15:
                target = self.rng.choice(outputs)
                pipeline = PipelineGenerator(self.rng, self.statements).loop(scope, target)
                if pipeline is not None:
                    stages.append(pipeline)
                    continue
            if index < count - 1 and self.rng.random() < 0.5:
                like = self.rng.choice(outputs)
                storage = self.rng.choice(["global", "global", "local"])
                target = self.statements.declare("stage", like.dtype, like.shape, storage)
                allocated.append(target.buffer)
                stages.append(self.stage(scope, target))
                scope = scope.with_memory(target)
            else:
                stages.append(self.stage(scope, self.rng.choice(outputs)))
        body = rewrite.sequence(stages)
        block = compat.SBlock([], [], [], "root", body, None, allocated)
        return compat.SBlockRealize([], _true(), block)

    def stage(self, scope: Scope, target: Memory) -> Any:
        """A loop nest that writes every element of a buffer, elementwise or by a reduction."""
        rng, dtype = self.rng, self.statements.index_dtype
        reduces = rng.random() < 0.4 and target.dtype not in ("bool", *NARROW_FLOATS)
        extents = [*target.shape, *([rng.choice([1, 3, 4, 8])] if reduces else [])]
        loop_vars = [compat.Var(self.statements.name("ax"), dtype) for _ in extents]
        iters, bindings, padded = [], [], list(extents)
        predicate: Any = _true()
        for dim, (extent, loop_var) in enumerate(zip(extents, loop_vars, strict=True)):
            kind = REDUCTION if dim >= len(target.shape) else SPATIAL
            var = compat.Var(self.statements.name("v"), dtype)
            domain = compat.Range.from_min_extent(
                constant(dtype, 0).expr, constant(dtype, extent).expr
            )
            iters.append(tirx.IterVar(domain, var, kind))
            binding: Any = loop_var
            if kind == SPATIAL and extent > 1 and rng.random() < 0.15:
                binding = tirx.Sub(constant(dtype, extent - 1).expr, loop_var)
            elif rng.random() < 0.1:
                padded[dim] = extent + rng.choice([1, 2])
                guard = tirx.LT(loop_var, constant(dtype, extent).expr)
                predicate = (
                    guard if isinstance(predicate, tirx.IntImm) else tirx.And(predicate, guard)
                )
            bindings.append(binding)
        block = self.block(scope, target, iters, reduces)
        nest: Any = compat.SBlockRealize(bindings, predicate, block)
        for dim in reversed(range(len(extents))):
            parallel = dim == 0 and not (reduces and len(extents) == 1) and rng.random() < 0.1
            kind = PARALLEL if parallel else SERIAL
            bounds = [constant(dtype, number).expr for number in (0, padded[dim])]
            nest = tirx.For(loop_vars[dim], *bounds, kind, nest)
        return nest

    def block(self, scope: Scope, target: Memory, iters: list[Any], reduces: bool) -> Any:
        """One block over these iterators that writes one element of the target."""
        dtype = self.statements.index_dtype
        own = tuple(Variable(it.var, dtype, (0, int(it.dom.extent) - 1)) for it in iters)
        spatial = [it.var for it in iters if int(it.iter_type) == SPATIAL]
        memories = tuple(
            replace(m, writable=False)
            for m in scope.memories
            if not m.buffer.same_as(target.buffer)
        )
        scalars = tuple(v for v in scope.variables if not v.is_loop)
        inner = Scope((*own, *scalars), memories, in_block=True)
        matches: list[Any] = []
        if self.rng.random() < 0.2:
            inner, matches = self.match(inner)
        init = None
        value = self.statements.stored_value(inner, target)
        if reduces:
            first = self.statements.stored_value(replace(inner, variables=scalars), target, 1)
            init = tirx.BufferStore(target.buffer, first.expr, spatial)
            old = tirx.BufferLoad(target.buffer, spatial)
            combine = self.rng.choice(
                [tirx.Max, tirx.Min] + [tirx.Add] * (3 * is_float(target.dtype))
            )
            body = tirx.BufferStore(target.buffer, combine(old, value.expr), spatial)
        else:
            body = tirx.BufferStore(target.buffer, value.expr, spatial)
            if self.rng.random() < 0.2:
                body = self.branch(inner, target, spatial, body)
        return self.with_regions(iters, body, init, matches)

    def branch(self, scope: Scope, target: Memory, spatial: list[Any], body: Any) -> Any:
        """The store under a condition, with another store in the else branch."""
        other = self.statements.stored_value(scope, target, 2)
        condition = self.statements.expressions(scope).condition(2)
        return tirx.IfThenElse(
            condition, body, tirx.BufferStore(target.buffer, other.expr, spatial)
        )

    def match(self, scope: Scope) -> tuple[Scope, list[Any]]:
        """A buffer of the scope, read through a match_buffer."""
        usable = [m for m in scope.memories if m.readable]
        if not usable:
            return scope, []
        base = self.rng.choice(usable)
        region = rewrite.full_region(base.buffer)
        storage = str(base.buffer.ty.storage_scope) or "global"
        matched = self.statements.declare("matched", base.dtype, base.shape, storage)
        entry = replace(base, buffer=matched.buffer)
        memories = (*(m for m in scope.memories if m is not base), entry)
        return replace(scope, memories=memories), [compat.MatchBufferRegion(matched.buffer, region)]

    def with_regions(self, iters: list[Any], body: Any, init: Any, matches: list[Any]) -> Any:
        """The block with detected regions, or with whole buffers as regions."""
        name = self.statements.name("block")
        draft = compat.SBlock(iters, [], [], name, body, init, [], matches)
        reads, writes = rewrite.access_regions(draft)
        if self.rng.random() < 0.15:
            reads = [rewrite.full_region(compat.region_buffer(region)) for region in reads]
        return compat.SBlock(iters, reads, writes, name, body, init, [], matches)


def _true() -> Any:
    return tirx.IntImm("bool", 1)
