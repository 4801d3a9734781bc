"""Random statements that are valid by construction: the bodies of generated programs.

Each method returns one statement (or several, as a list) for a scope. `Memory.fixed` keeps parallel
and vectorized loops free of data races: inside such a loop, a buffer from outside may be written
only if one of its dimensions is always indexed by the loop's variable.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.intervals import is_float, limits
from harness.ir.loop_kinds import CONCURRENT, PARALLEL, SERIAL, UNROLLED, VECTORIZED
from harness.ir.rewrite import refresh, sequence
from harness.ir.sites import Memory, Scope, Variable
from seeds.expression_rules import KNOWN_FAILING_PROBABILITY
from seeds.expressions import ExpressionGenerator
from seeds.values import NARROW_FLOATS, RangedExpr, clamped, constant, intrinsic, vector, whole

CONTENT_INTERVALS = ((-100, 100), (-8, 8), (0, 50), (0, 1))
PRAGMAS = ("pragma_unroll_explicit", "pragma_auto_unroll_max_step")
MAX_NEST = 5

Rule = Callable[["StatementGenerator", Scope, int], list[Any] | None]


class StatementGenerator:
    """Draws statements; `budget` is about how many more it may generate."""

    def __init__(self, rng: random.Random, budget: int, index_dtype: str = "int32") -> None:
        self.rng = rng
        self.budget = budget
        self.index_dtype = index_dtype
        # The functions that statements may call: see functions.py.
        self.helpers: list[Any] = []
        # Whether the statements are those of such a function, which TVM lets allocate nothing.
        self.in_helper = False
        self._names: dict[str, int] = {}

    def name(self, stem: str) -> str:
        """A name that is not yet used in the function."""
        count = self._names.get(stem, 0)
        self._names[stem] = count + 1
        return f"{stem}{count}" if count else stem

    def expressions(self, scope: Scope) -> ExpressionGenerator:
        """The generator of expressions for this scope."""
        return ExpressionGenerator(self.rng, scope)

    def body(self, scope: Scope, depth: int, length: int | None = None) -> Any:
        """A sequence of one to three statements; later ones may use what earlier ones define."""
        made: list[Any] = []
        for _ in range(length or self.rng.choice([1, 1, 2, 3])):
            if made and self.budget <= 0:
                break
            self.budget -= 1
            statements, scope = self.statement(scope, depth)
            made.extend(statements)
        return sequence(made)

    def statement(self, scope: Scope, depth: int) -> tuple[list[Any], Scope]:
        """A statement of any kind, and the scope of the statements after it."""
        if self.rng.random() < 0.2 and depth > 0:
            definer = self.rng.choice([self.bind, self.bind, self.allocate, self.alias])
            defined = definer(scope)
            if defined is not None:
                return defined
        rules = COMPOUND + SIMPLE if depth > 0 and self.budget > 0 else SIMPLE
        for _ in range(5):
            made = self.rng.choice(rules)(self, scope, depth - 1)
            if made is not None:
                return made, scope
        return [tirx.Evaluate(constant("int32", 0).expr)], scope

    # Statements that define something for those after them.

    def bind(self, scope: Scope) -> tuple[list[Any], Scope] | None:
        """A scalar variable."""
        if VECTORIZED in scope.loops and self.rng.random() > KNOWN_FAILING_PROBABILITY:
            return None
        dtype = self.rng.choice(["int32", "int32", "int64", "float32", "bool", "uint8"])
        value = self.expressions(scope).draw(dtype, 3)
        var = compat.Var(self.name("v"), dtype)
        return [tirx.Bind(var, value.expr)], scope.with_variable(
            Variable(var, dtype, value.interval)
        )

    def allocate(self, scope: Scope) -> tuple[list[Any], Scope] | None:
        """A local buffer that is written completely before it is read."""
        if VECTORIZED in scope.loops or self.in_helper:
            return None
        shape = self.rng.choice([(1,), (4,), (8,), (2, 3), (4, 4), (16,)])
        dtype = self.rng.choice(["float32", "int32", "int8", "int64", "float64", "uint8", "bool"])
        memory = self.declare("buf", dtype, shape, self.rng.choice(["global", "global", "local"]))
        if len(shape) > 1 and self.rng.random() < 0.3:
            memory = self.padded(memory)
        fill = self.fill(scope, memory)
        return [tirx.AllocBuffer(memory.buffer), *fill], scope.with_memory(memory)

    def padded(self, memory: Memory) -> Memory:
        """The same buffer with strides that leave gaps between its rows."""
        strides = [1]
        for extent in reversed(memory.shape[1:]):
            strides.insert(0, strides[0] * extent + self.rng.choice([0, 1, 3]))
        buffer = tirx.decl_buffer(
            list(memory.buffer.ty.shape), memory.dtype, memory.buffer.name,
            strides=[tirx.IntImm(self.index_dtype, stride) for stride in strides],
            scope=str(memory.buffer.ty.storage_scope),
        )  # fmt: skip
        return replace(memory, buffer=buffer)

    def backwards(self, base: Memory) -> tuple[list[Any], Memory]:
        """A read-only alias of a buffer from its last element to its first."""
        size = math.prod(base.shape)
        one, last = (tirx.IntImm(self.index_dtype, number) for number in (-1, size - 1))
        buffer = tirx.decl_buffer(
            [tirx.IntImm(self.index_dtype, size)], base.dtype, self.name("reversed"),
            strides=[one], elem_offset=last,
            scope=str(base.buffer.ty.storage_scope) or "global",
        )  # fmt: skip
        declared = tirx.DeclBuffer(buffer, data=pointer_to(base.buffer))
        return [declared], replace(base, buffer=buffer, shape=(size,))

    def alias(self, scope: Scope) -> tuple[list[Any], Scope] | None:
        """A read-only alias of a buffer with another shape."""
        candidates = [m for m in scope.memories if m.readable and not m.fixed and not m.writable]
        if not candidates:
            return None
        base = self.rng.choice(candidates)
        size = math.prod(base.shape)
        if self.rng.random() < 0.1 and not base.buffer.ty.strides:
            declared, reverse = self.backwards(base)
            return declared, scope.with_memory(reverse)
        shape = self.rng.choice(
            [(size,), (1, size), *((size // k, k) for k in (2, 4) if size % k == 0)]
        )
        memory = self.declare(
            "view", base.dtype, shape, str(base.buffer.ty.storage_scope) or "global"
        )
        entry = replace(base, buffer=memory.buffer, shape=memory.shape)
        declared = tirx.DeclBuffer(memory.buffer, data=pointer_to(base.buffer))
        return [declared], scope.with_memory(entry)

    def declare(
        self, stem: str, dtype: str, shape: tuple[int, ...], storage: str = "global"
    ) -> Memory:
        """A new buffer, with the interval of its elements' values."""
        extents = [tirx.IntImm(self.index_dtype, extent) for extent in shape]
        buffer = tirx.decl_buffer(extents, dtype, self.name(stem), scope=storage)
        return Memory(buffer, dtype, shape, interval=self.content(dtype))

    def content(self, dtype: str) -> tuple[int, int] | None:
        """An interval for the values that are stored to a buffer."""
        if is_float(dtype):
            return None
        low, high = limits(dtype)
        if dtype == "bool" or self.rng.random() < 0.2:
            return low, high
        target = self.rng.choice(CONTENT_INTERVALS)
        return max(low, target[0]), min(high, target[1])

    def fill(self, scope: Scope, memory: Memory) -> list[Any]:
        """Loops that write every element."""
        loop_vars = [compat.Var(self.name("f"), self.index_dtype) for _ in memory.shape]
        inner = scope
        for var, extent in zip(loop_vars, memory.shape, strict=True):
            inner = inner.with_variable(
                Variable(var, self.index_dtype, (0, extent - 1), is_loop=True)
            )
        value = self.stored_value(inner, memory)
        body = tirx.BufferStore(memory.buffer, value.expr, list(loop_vars))
        for var, extent in zip(reversed(loop_vars), reversed(memory.shape), strict=True):
            zero, size = constant(self.index_dtype, 0).expr, constant(self.index_dtype, extent).expr
            body = tirx.For(var, zero, size, SERIAL, body)
        return [body]

    def stored_value(
        self, scope: Scope, memory: Memory, depth: int = 4, lanes: int = 1
    ) -> RangedExpr:
        """A value that may be stored to the buffer."""
        generator = self.expressions(scope)
        dtype = vector(memory.dtype, lanes)
        if memory.interval is None or memory.interval == whole(memory.dtype):
            return generator.draw(dtype, depth)
        if self.rng.random() < 0.3:
            return clamped(generator.draw(dtype, depth), memory.interval)
        return generator.within(dtype, memory.interval, depth)

    # Simple statements.

    def writable(self, scope: Scope) -> list[Memory]:
        """The buffers that a statement here may write."""
        return [
            m
            for m in scope.memories
            if m.writable and (m.fixed or not scope.concurrent or m.readable)
        ]

    def make_store(self, scope: Scope, depth: int) -> list[Any] | None:
        """A store of a scalar, or a vector store of adjacent elements."""
        memories = self.writable(scope)
        if not memories:
            return None
        memory = self.rng.choice(memories)
        generator = self.expressions(scope)
        indices = generator.indices(memory)
        lanes = self.rng.choice([2, 4, 8])
        along = len(memory.shape) - 1
        if (
            self.rng.random() < 0.12 and memory.shape and memory.shape[-1] % lanes == 0
            and along not in dict(memory.fixed) and VECTORIZED not in scope.loops
            and memory.dtype not in ("bool", *NARROW_FLOATS)
        ):  # fmt: skip
            first = generator.index(memory.shape[-1] - lanes + 1, self.index_dtype)
            indices[-1] = tirx.Ramp(first, constant(self.index_dtype, 1).expr, lanes)
            value = self.stored_value(scope, memory, 3, lanes)
        else:
            value = self.stored_value(scope, memory)
        return [tirx.BufferStore(memory.buffer, value.expr, indices)]

    def make_update(self, scope: Scope, depth: int) -> list[Any] | None:
        """A read-modify-write of an element, as in reductions."""
        memories = [m for m in self.writable(scope) if m.readable and m.dtype not in NARROW_FLOATS]
        if not memories:
            return None
        memory = self.rng.choice(memories)
        generator = self.expressions(scope)
        indices = generator.indices(memory)
        old = RangedExpr(tirx.BufferLoad(memory.buffer, indices), memory.dtype, memory.interval)
        indices = [refresh(index) for index in indices]
        fresh = generator.draw(memory.dtype, 2)
        if is_float(memory.dtype):
            key = self.rng.choice([tirx.Add, tirx.Mul, tirx.Max, tirx.Min])
            return [tirx.BufferStore(memory.buffer, key(old.expr, fresh.expr), indices)]
        if memory.dtype == "bool":
            return [tirx.BufferStore(memory.buffer, tirx.Or(old.expr, fresh.expr), indices)]
        target = memory.interval or limits(memory.dtype)
        joined = self.rng.choice([tirx.Max, tirx.Min])(old.expr, clamped(fresh, target).expr)
        return [tirx.BufferStore(memory.buffer, joined, indices)]

    def make_call(self, scope: Scope, depth: int) -> list[Any] | None:
        """A call of a function of the module."""
        if not self.helpers or scope.in_block or scope.loops and self.rng.random() < 0.5:
            return None
        called = self.rng.choice(self.helpers).call(self.rng, scope)
        return None if called is None else [called]

    def make_prefetch(self, scope: Scope, depth: int) -> list[Any] | None:
        """A prefetch of an element, which has no effect."""
        usable = [m for m in scope.memories if m.readable and not m.fixed and m.shape]
        if not usable or self.rng.random() < 0.7:
            return None
        memory = self.rng.choice(usable)
        load = tirx.BufferLoad(memory.buffer, self.expressions(scope).indices(memory))
        address = intrinsic("handle", "address_of", load)
        hints = [constant("int32", self.rng.choice(among)).expr for among in ((0, 1), (0, 3), (1,))]
        return [tirx.Evaluate(intrinsic("void", "prefetch", address, *hints))]

    def make_assert(self, scope: Scope, depth: int) -> list[Any] | None:
        """An assertion that holds."""
        known = [v for v in scope.variables if v.interval and v.dtype in ("int32", "int64")]
        if not known or self.rng.random() < 0.7 or scope.concurrent:
            return None
        if self.in_helper and self.rng.random() > KNOWN_FAILING_PROBABILITY:
            return None
        chosen = self.rng.choice(known)
        assert chosen.interval is not None
        holds = tirx.LE(chosen.var, constant(chosen.dtype, chosen.interval[1]).expr)
        return [
            tirx.AssertStmt(holds, compat.StringImm("ValueError"), [compat.StringImm("too big")])
        ]

    # Compound statements.

    def make_if(self, scope: Scope, depth: int) -> list[Any]:
        """A condition with one or two branches."""
        generator = self.expressions(scope)
        condition = generator.condition(2)
        if self.rng.random() < 0.15:
            condition = intrinsic("bool", "likely", condition)
        then_case = self.body(scope, depth)
        else_case = self.body(scope, depth) if self.rng.random() < 0.4 else None
        return [tirx.IfThenElse(condition, then_case, else_case)]

    def make_attribute(self, scope: Scope, depth: int) -> list[Any] | None:
        """A pragma around statements, which does not change their meaning."""
        if self.rng.random() < 0.5:
            return None
        key, body = self.rng.choice(PRAGMAS), self.body(scope, depth)
        if has_pragma(body, key):
            return [body]
        zero = constant("int32", 0).expr
        value = constant("int32", self.rng.choice([0, 1, 16])).expr
        return [tirx.AttrStmt(zero, key, value, body)]

    def make_loop(self, scope: Scope, depth: int) -> list[Any] | None:
        """A serial or unrolled loop, with bounds that may be offset, empty or triangular."""
        if len(scope.loops) >= MAX_NEST:
            return None
        dtype = self.index_dtype
        if self.rng.random() < 0.06:
            dtype = self.rng.choice(["int32", "int64"])
        kind = UNROLLED if self.rng.random() < 0.2 else SERIAL
        low = self.rng.choice([0, 0, 0, 1, 2, 3, -2])
        size = self.rng.choice([1, 1, 2, 3, 4, 5, 8])
        least, extent = constant(dtype, low).expr, constant(dtype, size).expr
        outer = [v for v in scope.variables if v.dtype == dtype and v.interval and v.is_loop]
        outer = [v for v in outer if v.interval and 0 <= v.interval[0] and v.interval[1] <= 8]
        found = (low, low + size - 1)
        if kind == SERIAL and outer and self.rng.random() < 0.35:
            chosen = self.rng.choice(outer)
            assert chosen.interval is not None
            top = chosen.interval[1]
            if self.rng.random() < 0.5:  # for j in range(i + 1)
                least, extent = (
                    constant(dtype, 0).expr,
                    tirx.Add(chosen.var, constant(dtype, 1).expr),
                )
                found = (0, top)
            else:  # for j in range(i, top + 1)
                least, extent = chosen.var, tirx.Sub(constant(dtype, top + 1).expr, chosen.var)
                found = (chosen.interval[0], top)
        step = constant(dtype, 2).expr if kind == SERIAL and self.rng.random() < 0.05 else None
        return [self.loop(scope, depth, kind, least, extent, found, step)]

    def loop(
        self, scope: Scope, depth: int, kind: int, least: Any, extent: Any,
        found: tuple[int, int], step: Any = None,
    ) -> Any:  # fmt: skip
        """A loop of this kind; its body may break or continue where that is allowed."""
        dtype = compat.dtype_of(least)
        var = compat.Var(self.name(self.rng.choice("ijk")), dtype)
        inner = scope.with_variable(Variable(var, dtype, found, is_loop=True))
        inner = replace(inner, loops=(*scope.loops, kind))
        body = self.body(inner, depth)
        if kind == SERIAL and not inner.concurrent and self.rng.random() < 0.1:
            body = sequence([*self.leave(inner), body])
        annotations = {}
        if self.rng.random() < 0.03:
            annotations["pragma_unroll_explicit"] = constant("int32", 1).expr
        return tirx.For(var, least, extent, kind, body, None, annotations, step)

    def leave(self, scope: Scope) -> list[Any]:
        """break or continue, under a condition."""
        name = self.rng.choice(["break_loop", "continue_loop"])
        jump = tirx.Evaluate(intrinsic("int32", name))
        return [tirx.IfThenElse(self.expressions(scope).condition(1), jump, None)]

    def make_concurrent(self, scope: Scope, depth: int) -> list[Any] | None:
        """A parallel or vectorized loop whose iterations write different elements."""
        if self.helpers:  # the interpreter follows no calls beside them
            return None
        if VECTORIZED in scope.loops or len(scope.loops) >= MAX_NEST:
            return None
        kind = self.rng.choice([PARALLEL, VECTORIZED, VECTORIZED])
        owners = [
            (memory, dim, extent)
            for memory in scope.memories
            if memory.writable and (memory.fixed or not scope.concurrent)
            for dim, extent in enumerate(memory.shape)
            if dim not in dict(memory.fixed) and 1 < extent <= 16
        ]  # fmt: skip
        if not owners or (kind == PARALLEL and scope.concurrent):
            return None
        owner, dim, extent = self.rng.choice(owners)
        low = self.rng.choice([0, 0, 0, extent // 2])
        var = compat.Var(self.name("p"), self.index_dtype)
        owned = replace(owner, fixed=(*owner.fixed, (dim, var)))
        memories = tuple(
            owned if m is owner else replace(m, writable=False, readable=m.readable and not m.fixed)
            for m in scope.memories
        )
        interval = (low, extent - 1)
        variables = (*scope.variables, Variable(var, self.index_dtype, interval, is_loop=True))
        inner = Scope(variables, memories, (*scope.loops, kind), scope.in_block)
        body = self.body(inner, min(depth, 1))
        bounds = [constant(self.index_dtype, number).expr for number in (low, extent - low)]
        return [tirx.For(var, *bounds, kind, body)]

    def make_while(self, scope: Scope, depth: int) -> list[Any] | None:
        """A while loop with a counter of its own."""
        if any(kind in CONCURRENT for kind in scope.loops) or len(scope.loops) >= MAX_NEST:
            return None
        if self.in_helper:
            return None
        counter = tirx.decl_buffer((1,), "int32", self.name("count"), scope="local")
        zero = constant("int32", 0).expr
        read = tirx.BufferLoad(counter, [zero])
        limit = self.rng.choice([1, 2, 5])
        condition = tirx.LT(read, constant("int32", limit).expr)
        if self.rng.random() < 0.3:
            condition = tirx.And(condition, self.expressions(scope).condition(1))
        memory = Memory(counter, "int32", (1,), writable=False, interval=(0, limit))
        inner = replace(scope.with_memory(memory), loops=(*scope.loops, SERIAL))
        step = tirx.BufferStore(counter, tirx.Add(read, constant("int32", 1).expr), [zero])
        jump = self.leave(inner) if self.rng.random() < 0.3 else []
        body = sequence([step, *jump, self.body(inner, depth)])
        return [
            tirx.AllocBuffer(counter),
            tirx.BufferStore(counter, zero, [zero]),
            tirx.While(condition, body),
        ]


def has_pragma(body: Any, key: str) -> bool:
    """Whether the body has this pragma: TVM rejects a loop that has the same one twice."""
    return any(
        (compat.type_key(node) == "AttrStmt" and str(node.attr_key) == key)
        or (compat.type_key(node) == "For" and key in node.annotations)
        for node in compat.nodes(body)
    )


def pointer_to(buffer: Any) -> Any:
    """The pointer to a buffer's elements."""
    from tvm.ir import PointerType, PrimType

    ty = PointerType(PrimType(str(buffer.ty.dtype)), str(buffer.ty.storage_scope) or "global")
    return tirx.call_intrin(ty, "tirx.buffer_data", buffer)


SIMPLE: tuple[Rule, ...] = (
    *(StatementGenerator.make_store,) * 4,
    StatementGenerator.make_update,
    StatementGenerator.make_assert,
    StatementGenerator.make_call,
    StatementGenerator.make_prefetch,
)
COMPOUND: tuple[Rule, ...] = (
    *(StatementGenerator.make_loop,) * 4,
    *(StatementGenerator.make_concurrent,) * 3,
    *(StatementGenerator.make_if,) * 2,
    StatementGenerator.make_while,
    StatementGenerator.make_attribute,
)
