"""Loops: mutate kind, annotations, bounds and structure (Tzer, section 3: domain-specific)."""

from __future__ import annotations

import random
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.loop_kinds import PARALLEL, SERIAL, THREAD_BINDING, UNROLLED, VECTORIZED
from harness.ir.sites import Site
from seeds.values import constant, intrinsic
from tzer.mutate.base import SiteMutator
from tzer.mutate.statements import between_blocks, leaves_unwritten
from tzer.mutate.wrappers import leaves

ANNOTATIONS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("pragma_auto_unroll_max_step", (0, 1, 4, 16, 64)),
    ("pragma_unroll_explicit", (0, 1)),
    ("pragma_loop_partition_hint", (1,)),
    ("disable_loop_partition", (1,)),
)


def constant_bounds(loop: Any) -> tuple[int, int] | None:
    """The loop's minimum and extent, if both are constants."""
    if isinstance(loop.min, tirx.IntImm) and isinstance(loop.extent, tirx.IntImm):
        return int(loop.min), int(loop.extent)
    return None


def is_steady(loop: Any) -> bool:
    """Whether the loop has step one, no break and no continue."""
    return loop.step is None and not leaves(loop.body)


class ChangeLoopKind(SiteMutator):
    """Change the kind of a loop; vectorized and parallel only if iterations are independent."""

    name = "change-loop-kind"

    def picks(self, site: Site) -> bool:
        return site.key == "For" and int(site.node.kind) != THREAD_BINDING and is_steady(site.node)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        loop = site.node
        bounds = constant_bounds(loop)
        kinds = {SERIAL}
        if bounds is not None and bounds[1] <= 64:
            kinds.add(UNROLLED)
        if are_apart(loop):
            kinds.add(PARALLEL)
            inner = any(
                compat.type_key(node) in ("SBlock", "AllocBuffer", "While", "AssertStmt")
                for node in compat.nodes(loop.body)
            )
            if bounds is not None and 1 < bounds[1] <= 64 and not inner:
                kinds.add(VECTORIZED)
        kinds.discard(int(loop.kind))
        if not kinds:
            return None
        return rewrite.with_fields(loop, kind=rng.choice(sorted(kinds)))


def are_apart(loop: Any) -> bool:
    """Whether no iteration accesses elements that another one writes (conservatively).

    For that, some dimension of each shared buffer that is written must be indexed by the loop's
    variable itself in every access.
    """
    own = {var for var in rewrite.bound_below(loop.body) if compat.is_buffer(var)}
    accesses: dict[Any, list[Any]] = {}
    written: set[Any] = set()

    def note(node: Any) -> None:
        key = compat.type_key(node)
        if key == "BufferStore":
            accesses.setdefault(node.buffer, []).append(list(node.indices))
            written.add(node.buffer)
        elif key == "BufferLoad":
            accesses.setdefault(compat.load_buffer(node), []).append(list(node.indices))
        elif key in ("SBlock", "DeclBuffer"):
            written.add(None)

    compat.walk(loop.body, note)
    if None in written:
        return False
    shared = [
        found for buffer, found in accesses.items() if buffer in written and buffer not in own
    ]
    return all(_owned(loop.loop_var, found) for found in shared)


def _owned(loop_var: Any, accesses: list[list[Any]]) -> bool:
    """Whether the variable indexes the same dimension in every access."""
    return any(
        all(isinstance(a[dim], compat.Var) and a[dim].same_as(loop_var) for a in accesses)
        for dim in range(len(accesses[0]))
    )


class AnnotateLoop(SiteMutator):
    """Annotate a loop with a pragma."""

    name = "annotate-loop"
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        return site.key == "For" and int(site.node.kind) in (SERIAL, UNROLLED)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        annotations = dict(site.node.annotations.items())
        if annotations and rng.random() < 0.4:
            annotations.pop(rng.choice(sorted(annotations)))
        else:
            key, values = rng.choice(ANNOTATIONS)
            annotations[key] = constant("int32", rng.choice(values)).expr
        return rewrite.with_fields(site.node, annotations=annotations)


class ChangeBounds(SiteMutator):
    """Reduce the iterations: a later start, an earlier end, a bound that varies."""

    name = "change-bounds"

    def picks(self, site: Site) -> bool:
        loop = site.node
        return (
            site.key == "For" and loop.step is None and constant_bounds(loop) not in (None, (0, 1))
        )

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        loop = site.node
        bounds = constant_bounds(loop)
        assert bounds is not None
        low, size = bounds
        dtype = compat.dtype_of(loop.loop_var)
        if size <= 1 or leaves_unwritten(site, function, rng):
            return None
        start = rng.choice([0, 0, 1, size // 2])
        length = rng.randint(0 if rng.random() < 0.1 else 1, size - start)
        extent: Any = constant(dtype, length).expr
        varying = [
            v for v in site.scope.variables
            if v.dtype == dtype and v.interval and v.interval[0] >= 0 and v.interval[1] <= length
        ]  # fmt: skip
        if varying and int(loop.kind) == SERIAL and rng.random() < 0.4:
            extent = rng.choice(varying).var
        return rewrite.with_fields(loop, min=constant(dtype, low + start).expr, extent=extent)


class ShiftLoop(SiteMutator):
    """Shift the loop variable, or reverse the loop, with the same iterations."""

    name = "shift-loop"
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        loop = site.node
        fit = site.key == "For" and int(loop.kind) in (SERIAL, UNROLLED, PARALLEL)
        return fit and constant_bounds(loop) is not None and loop.step is None

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        loop = site.node
        low, _ = constant_bounds(loop) or (0, 0)
        dtype = compat.dtype_of(loop.loop_var)
        by = rng.choice([1, 2, 7, -1, -3, 16])
        moved = tirx.Sub(loop.loop_var, constant(dtype, by).expr)
        body = _with_variable(loop, moved)
        return rewrite.with_fields(loop, min=constant(dtype, low + by).expr, body=body)


def _with_variable(loop: Any, value: Any) -> Any:
    """The loop's body with the loop variable replaced by an expression of it."""
    return rewrite.substitute(loop.body, {loop.loop_var: value})


class SplitLoop(SiteMutator):
    """Split a loop into two nested ones, with a guard if the factor does not divide the extent."""

    name = "split-loop"
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        loop = site.node
        return (
            site.key == "For" and int(loop.kind) in (SERIAL, UNROLLED) and is_steady(loop)
            and constant_bounds(loop) is not None and not between_blocks(site)
        )  # fmt: skip

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        loop = site.node
        low, size = constant_bounds(loop) or (0, 0)
        if size < 1:
            return None
        dtype = compat.dtype_of(loop.loop_var)
        factor = rng.choice([1, 2, 3, 4, 8])
        outer, inner = (compat.Var(loop.loop_var.name + end, dtype) for end in ("_outer", "_inner"))
        joined = tirx.Add(tirx.Mul(outer, constant(dtype, factor).expr), inner)
        body = _with_variable(loop, tirx.Add(joined, constant(dtype, low).expr) if low else joined)
        if size % factor:
            inside = tirx.LT(joined, constant(dtype, size).expr)
            inside = intrinsic("bool", "likely", inside) if rng.random() < 0.5 else inside
            body = tirx.IfThenElse(inside, body, None)
        zero = constant(dtype, 0).expr
        body = tirx.For(inner, zero, constant(dtype, factor).expr, SERIAL, body)
        return tirx.For(outer, zero, constant(dtype, -(-size // factor)).expr, SERIAL, body)


class PeelLoop(SiteMutator):
    """Peel the first iterations of a loop into a loop of their own."""

    name = "peel-loop"
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        loop = site.node
        fit = site.key == "For" and int(loop.kind) in (SERIAL, UNROLLED) and is_steady(loop)
        return fit and (constant_bounds(loop) or (0, 0))[1] > 1 and not between_blocks(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        loop = site.node
        low, size = constant_bounds(loop) or (0, 0)
        dtype = compat.dtype_of(loop.loop_var)
        first = rng.randint(1, size - 1)
        head = rewrite.with_fields(loop, extent=constant(dtype, first).expr)
        rest = rewrite.with_fields(
            rewrite.refresh(loop),
            min=constant(dtype, low + first).expr,
            extent=constant(dtype, size - first).expr,
        )
        return rewrite.sequence([head, rest])


class ExchangeLoops(SiteMutator):
    """Interchange two perfectly nested loops."""

    name = "exchange-loops"

    def picks(self, site: Site) -> bool:
        outer = site.node
        if site.key != "For" or compat.type_key(outer.body) != "For":
            return False
        inner = outer.body
        kinds = {int(outer.kind), int(inner.kind)}
        return (
            kinds <= {SERIAL, UNROLLED} and constant_bounds(inner) is not None and is_steady(inner)
        )

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        outer, inner = site.node, site.node.body
        return rewrite.with_fields(inner, body=rewrite.with_fields(outer, body=inner.body))
