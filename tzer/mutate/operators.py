"""Operators: replace one by another of the same class, or swap its operands."""

from __future__ import annotations

import random
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.intervals import OPERATOR_INTERVALS, fits, interval, is_integer, limits
from harness.ir.sites import Site
from seeds.expression_rules import COMPARISONS, PORTABLE, ROUNDING
from seeds.values import RangedExpr, clamped, intrinsic, whole
from tzer.mutate.base import SiteMutator, existing, fitted, is_free

CLASSES: tuple[tuple[str, ...], ...] = (
    ("Add", "Sub", "Mul", "Min", "Max"),
    ("FloorDiv", "Div", "FloorMod", "Mod"),
    COMPARISONS,
    ("And", "Or"),
    ("BitwiseAnd", "BitwiseOr", "BitwiseXor"),
)
FUNCTIONS: tuple[tuple[str, ...], ...] = (tuple(name for name, _ in PORTABLE), ROUNDING)
COMMUTATIVE = frozenset("Add Mul Min Max EQ NE And Or BitwiseAnd BitwiseOr BitwiseXor".split())


def _class_of(key: str) -> tuple[str, ...]:
    return next((members for members in CLASSES if key in members), ())


def _functions_like(site: Site) -> tuple[str, ...]:
    name = compat.call_name(site.node) if site.key == "Call" else ""
    return next((members for members in FUNCTIONS if name in members), ())


class ChangeOperator(SiteMutator):
    """Replace Add by Sub, FloorDiv by Div, LT by LE, exp by tanh, and so on."""

    name = "change-operator"
    general = True

    def picks(self, site: Site) -> bool:
        return is_free(site) and bool(_class_of(site.key) or _functions_like(site))

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        if site.key == "Call":
            name = rng.choice(_functions_like(site))
            value = RangedExpr(intrinsic(site.dtype, name, site.node.args[0]), site.dtype)
            return fitted(site, value, function, rng)
        key = rng.choice(_class_of(site.key))
        if key in ("Div", "FloorDiv") and not is_integer(site.dtype) and key != site.key:
            return None
        a, b = site.node.a, site.node.b
        if is_integer(site.dtype) and key in OPERATOR_INTERVALS:
            return self._integer(site, function, key, rng)
        value = RangedExpr(compat.binary(key, a, b), site.dtype, whole(site.dtype))
        return fitted(site, value, function, rng)

    def _integer(self, site: Site, function: Any, key: str, rng: random.Random) -> Any | None:
        a, b = site.node.a, site.node.b
        left, right = interval(a, site.scope), interval(b, site.scope)
        found = OPERATOR_INTERVALS[key](left, right) if left and right else None
        if found is None:
            found = whole(site.dtype)
        elif not fits(found, site.dtype):
            top = 100
            a = clamped(
                RangedExpr(a, site.dtype, left), (max(-top, limits(site.dtype)[0]), top)
            ).expr
            b = clamped(RangedExpr(b, site.dtype, right), (1, top // 10)).expr
            found = (max(-top * top, limits(site.dtype)[0]), min(top * top, limits(site.dtype)[1]))
        return fitted(site, RangedExpr(compat.binary(key, a, b), site.dtype, found), function, rng)


class SwapOperands(SiteMutator):
    """Swap the operands of a binary operator, which may change the result."""

    name = "swap-operands"
    general = True

    def picks(self, site: Site) -> bool:
        keys = (*CLASSES[0], *CLASSES[2], *CLASSES[3], *CLASSES[4])
        return site.key in keys and is_free(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        node = site.node
        swapped = compat.binary(site.key, node.b, node.a)
        if site.key in COMMUTATIVE:
            return swapped
        if not is_integer(site.dtype):
            return fitted(site, RangedExpr(swapped, site.dtype, whole(site.dtype)), function, rng)
        low, high = existing(site).range
        if site.key != "Sub" or not fits((-high, -low), site.dtype):
            return None
        return fitted(site, RangedExpr(swapped, site.dtype, (-high, -low)), function, rng)


class NegateSelect(SiteMutator):
    """Swap the branches of a select and negate its condition, with the same value."""

    name = "negate-select"
    general = True
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        return site.key == "Select" and is_free(site) and "x" not in site.dtype

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:

        node = site.node
        return tirx.Select(tirx.Not(node.condition), node.false_value, node.true_value)
