"""Random well-typed expressions that are valid by construction, for seeds and for mutators.

Given a scope, `ExpressionGenerator.draw(dtype)` returns an expression of that dtype whose signed
arithmetic does not overflow, whose divisors are not zero, whose shifts and indexes are in range.
Within these limits it prefers edge cases: constants at the limits of their dtype, negative operands
of the four divisions, casts across widths, nested selects, vectors, bit operations everywhere.
"""

from __future__ import annotations

import random
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.intervals import Interval, base_dtype, fits, lanes_of
from harness.ir.sites import Memory, Scope, Variable
from seeds.expression_rules import KNOWN_FAILING_PROBABILITY, rules_of
from seeds.index_rules import draw_index
from seeds.values import (
    NARROW_FLOATS,
    RangedExpr,
    clamped,
    constant,
    draw_constant,
    narrowed,
    vector,
    whole,
)


class ExpressionGenerator:
    """Draws expressions for one place in a program.

    `loads` allows reads of the scope's buffers; `wild` is the probability of constructs that code
    generators are known to handle differently (vectors inside scalars, reinterpret, narrow floats).
    """

    def __init__(
        self, rng: random.Random, scope: Scope, *, loads: bool = True, wild: float = 0.2
    ) -> None:
        self.rng = rng
        self.scope = scope
        self.loads = loads
        self.wild = wild
        self.planted: RangedExpr | None = None
        self._let_count = 0

    def around(self, value: RangedExpr, depth: int = 2) -> RangedExpr | None:
        """An expression of the value's dtype that contains the value once."""
        for _ in range(4):
            self.planted = value
            drawn = self.draw(value.dtype, depth)
            used, self.planted = not self.planted, None
            if used and drawn.expr is not value.expr:
                return drawn
        return None

    def draw(self, dtype: str, depth: int = 3) -> RangedExpr:
        """An expression of this dtype, with a depth of about `depth` at most."""
        if base_dtype(dtype) in NARROW_FLOATS:
            return self.narrow(dtype, depth)
        if depth <= 0 or self.rng.random() < 0.12:
            return self.leaf(dtype)
        rules = rules_of(dtype)
        for _ in range(4):
            rule = self.rng.choice(rules)
            value = rule(self, dtype, depth - 1)
            if value is not None:
                return value
        return self.leaf(dtype)

    def narrow(self, dtype: str, depth: int) -> RangedExpr:
        """A float of 8 bits, which is loaded or converted: all arithmetic is that of others."""
        loaded = self.load(dtype) if lanes_of(dtype) == 1 and self.rng.random() < 0.4 else None
        if loaded is not None:
            return loaded
        wide = vector("float32", lanes_of(dtype))
        low, high = constant(wide, -200.0).expr, constant(wide, 200.0).expr
        value = tirx.Max(tirx.Min(self.draw(wide, depth - 1).expr, high), low)
        return RangedExpr(tirx.Cast(dtype, value), dtype)

    def within(self, dtype: str, target: Interval, depth: int = 3) -> RangedExpr:
        """An integer expression whose value lies in an interval."""
        value = self.draw(dtype, depth)
        low, high = value.range
        if target[0] <= low and high <= target[1]:
            return value
        if self.rng.random() < 0.6 and fits((0, target[1] - target[0] + 1), dtype):
            return self._folded_into(value, target)
        return clamped(value, target)

    def _folded_into(self, value: RangedExpr, target: Interval) -> RangedExpr:
        size = target[1] - target[0] + 1
        modulus = constant(value.dtype, size)
        expr = tirx.FloorMod(value.expr, modulus.expr)
        if target[0]:
            expr = tirx.Add(expr, constant(value.dtype, target[0]).expr)
        return RangedExpr(expr, value.dtype, target)

    def index(self, extent: int, dtype: str = "int32", depth: int = 2) -> Any:
        """An index expression inside [0, extent)."""
        if extent == 1 and self.rng.random() < 0.7:
            return constant(dtype, 0).expr
        if self.rng.random() < 0.2:
            made = draw_index(self.rng, self.scope, extent, dtype)
            if made is not None:
                return made
        fitting = [v for v in self.scope.variables if self._indexes(v, dtype, extent)]
        chance = self.rng.random()
        if fitting and chance < 0.5:
            return self.rng.choice(fitting).var
        if chance < 0.6:
            return constant(dtype, self.rng.randrange(extent)).expr
        saved, self.loads = self.loads, self.loads and self.rng.random() < 0.3
        value = self.within(dtype, (0, extent - 1), depth)
        self.loads = saved
        return value.expr

    def _indexes(self, variable: Variable, dtype: str, extent: int) -> bool:
        found = variable.interval
        return variable.dtype == dtype and found is not None and 0 <= found[0] and found[1] < extent

    def condition(self, depth: int = 2) -> Any:
        """A scalar condition."""
        return self.draw("bool", depth).expr

    def leaf(self, dtype: str) -> RangedExpr:
        """A constant, a variable, or a load."""
        lanes = lanes_of(dtype)
        base = base_dtype(dtype)
        if self.planted is not None and self.planted.dtype == dtype:
            value, self.planted = self.planted, None
            return value
        if lanes > 1:
            return self._vector_leaf(base, lanes)
        variables = [v for v in self.scope.variables if v.dtype == base]
        chance = self.rng.random()
        if variables and chance < 0.4:
            chosen = self.rng.choice(variables)
            return RangedExpr(chosen.var, base, chosen.interval or whole(base))
        if chance < 0.75:
            loaded = self.load(base)
            if loaded is not None:
                return loaded
        return draw_constant(self.rng, base)

    def _vector_leaf(self, base: str, lanes: int) -> RangedExpr:
        dtype = vector(base, lanes)
        if self.rng.random() < 0.4:
            loaded = self.load_vector(base, lanes)
            if loaded is not None:
                return loaded
        if base in ("int32", "int64") and self.rng.random() < 0.4:
            first = narrowed(self.rng, self.leaf(base), 1000)
            stride = self.rng.choice([1, 1, 2, 3, -1, 0])
            ends = [end + stride * lane for end in first.range for lane in (0, lanes - 1)]
            ramp = tirx.Ramp(first.expr, constant(base, stride).expr, lanes)
            return RangedExpr(ramp, dtype, (min(ends), max(ends)))
        value = self.leaf(base)
        return RangedExpr(tirx.Broadcast(value.expr, lanes), dtype, value.interval, value.bound)

    def load(self, dtype: str, memory: Memory | None = None) -> RangedExpr | None:
        """A load of an element of this dtype from a buffer in scope."""
        if not self.loads:
            return None
        if memory is None:
            usable = [m for m in self.scope.memories if m.readable and m.dtype == dtype]
            if not usable:
                return None
            memory = self.rng.choice(usable)
        expr = tirx.BufferLoad(memory.buffer, self.indices(memory))
        bound = 4.0 if memory.finite else None
        return RangedExpr(expr, memory.dtype, memory.interval or whole(memory.dtype), bound)

    def load_vector(self, base: str, lanes: int) -> RangedExpr | None:
        """A load of adjacent elements of the last dimension, or of arbitrary ones (a gather)."""
        if self.scope.in_block and self.rng.random() > KNOWN_FAILING_PROBABILITY:
            return None
        usable = [
            m for m in self.scope.memories
            if m.readable and m.dtype == base and m.shape and m.shape[-1] >= lanes
            and len(m.shape) - 1 not in dict(m.fixed)
        ]  # fmt: skip
        if not (usable and self.loads):
            return None
        memory = self.rng.choice(usable)
        *outer, last = memory.shape
        indices = self.indices(memory)[: len(outer)]
        dtype = compat.dtype_of(memory.buffer.ty.shape[-1])
        if self.rng.random() < 0.8:
            first = self.index(last - lanes + 1, dtype)
            along = tirx.Ramp(first, constant(dtype, 1).expr, lanes)
        else:
            saved, self.loads = self.loads, False
            along = self.within(vector(dtype, lanes), (0, last - 1), 1).expr
            self.loads = saved
        expr = tirx.BufferLoad(memory.buffer, [*indices, along])
        bound = 4.0 if memory.finite else None
        return RangedExpr(expr, vector(base, lanes), memory.interval or whole(base), bound)

    def indices(self, memory: Memory) -> list[Any]:
        """Indexes in bounds of the buffer; fixed dimensions are indexed by their variable."""
        fixed = dict(memory.fixed)
        shape = memory.buffer.ty.shape
        return [
            fixed[dim] if dim in fixed else self.index(extent, compat.dtype_of(shape[dim]))
            for dim, extent in enumerate(memory.shape)
        ]

    def fresh_name(self) -> str:
        """A name for a variable of a Let."""
        self._let_count += 1
        return f"let{self._let_count}"
