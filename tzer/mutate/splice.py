"""Splice: reuse an expression, variable or buffer of the program in another place."""

from __future__ import annotations

import random
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.sites import Scope, Site
from seeds.expressions import ExpressionGenerator
from seeds.values import RangedExpr, whole
from tzer.mutate.base import SiteMutator, existing, fitted, is_free, sites_of


class SpliceExpression(SiteMutator):
    """Replace an expression by one of the same dtype from elsewhere, if all of it is in scope."""

    name = "splice-expression"
    general = True

    def picks(self, site: Site) -> bool:
        return is_free(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        donors = [
            other for other in sites_of(function)
            if other.role != "statement" and other.key not in ("StringImm", "IntImm", "FloatImm")
            and other.role != "argument" and other.dtype == site.dtype
        ]  # fmt: skip
        for _ in range(min(8, len(donors))):
            donor = rng.choice(donors)
            if _in_scope(donor.node, site.scope):
                moved = Site(rewrite.refresh(donor.node), site.path, site.scope, site.role)
                return fitted(site, existing(moved), function, rng)
        return None


def _in_scope(expr: Any, scope: Scope) -> bool:
    """Whether every variable and buffer of the expression may be used in the scope."""
    known = {v.var for v in scope.variables} | {m.buffer for m in scope.memories if m.readable}
    known.update(rewrite.bound_below(expr))
    uses = (node for node in compat.nodes(expr) if isinstance(node, compat.Var))
    return all(var in known for var in uses)


class ReplaceVariable(SiteMutator):
    """Replace a variable by another of the same dtype."""

    name = "replace-variable"
    general = True

    def picks(self, site: Site) -> bool:
        return site.key == "Var" and is_free(site) and bool(_others(site))

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        chosen = rng.choice(_others(site))
        value = RangedExpr(chosen.var, chosen.dtype, chosen.interval or whole(chosen.dtype))
        return fitted(site, value, function, rng)


def _others(site: Site) -> list[Any]:
    return [
        v for v in site.scope.variables if v.dtype == site.dtype and not v.var.same_as(site.node)
    ]


class ReplaceLoad(SiteMutator):
    """Replace a load by one from another buffer, or of another element of the same one."""

    name = "replace-load"

    def picks(self, site: Site) -> bool:
        return site.key == "BufferLoad" and is_free(site) and bool(self._sources(site))

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        memory = rng.choice(self._sources(site))
        value = ExpressionGenerator(rng, site.scope).load(site.dtype, memory)
        if value is None:
            return None
        old = list(site.node.indices)
        same_shape = compat.static_shape(compat.load_buffer(site.node)) == memory.shape
        if same_shape and rng.random() < 0.7:
            value = RangedExpr(
                tirx.BufferLoad(memory.buffer, old), value.dtype, value.interval, value.bound
            )
        return fitted(site, value, function, rng)

    def _sources(self, site: Site) -> list[Any]:
        return [m for m in site.scope.memories if m.readable and m.dtype == site.dtype]
