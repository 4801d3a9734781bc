"""Expressions: replace, insert, delete, wrap (Tzer, section 3: general-purpose mutation).

All act on one sub-expression and return one of the same dtype. New code comes from the generator of
typed expressions, so it is valid in the scope where it lands.
"""

from __future__ import annotations

import random
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.intervals import base_dtype, fits, is_float, is_integer, lanes_of, limits
from harness.ir.sites import Site
from seeds.expressions import ExpressionGenerator
from seeds.values import constant, intrinsic, vector
from tzer.mutate.base import SiteMutator, existing, fitted, is_free


class ReplaceExpression(SiteMutator):
    """Replace a sub-expression by a new expression."""

    name = "replace-expression"
    general = True

    def picks(self, site: Site) -> bool:
        return is_free(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        fresh = ExpressionGenerator(rng, site.scope).draw(site.dtype, rng.choice([1, 2, 3]))
        return fitted(site, fresh, function, rng)


class InsertExpression(SiteMutator):
    """Insert a new expression around a sub-expression, which becomes one of its operands."""

    name = "insert-expression"
    general = True

    def picks(self, site: Site) -> bool:
        return is_free(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        fresh = ExpressionGenerator(rng, site.scope).around(existing(site), rng.choice([1, 2]))
        return None if fresh is None else fitted(site, fresh, function, rng)


class DeleteExpression(SiteMutator):
    """Replace an operator by one of its operands of the same dtype."""

    name = "delete-expression"
    general = True

    def picks(self, site: Site) -> bool:
        return is_free(site) and bool(_same_typed_children(site))

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        child = rng.choice(_same_typed_children(site))
        below = Site(child, site.path, site.scope, site.role)
        return fitted(site, existing(below), function, rng)


def _same_typed_children(site: Site) -> list[Any]:
    if site.key in ("Let", "BufferLoad"):
        return []  # the body uses the variable; an index is not a value of the buffer
    return [
        child for _, child in rewrite.children(site.node)
        if compat.type_key(child) != "StringImm" and compat.dtype_of(child) == site.dtype
    ]  # fmt: skip


class WrapExpression(SiteMutator):
    """Wrap a sub-expression in an operation that doesn't change its value."""

    name = "wrap-expression"
    general = True
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        return is_free(site) and site.key not in ("IntImm", "FloatImm")

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        wraps = [_in_let, _in_select, _in_branch]
        if is_integer(site.dtype):
            wraps += [_neutral, _neutral, _neutral, _cast_there_and_back]
        elif is_float(site.dtype):
            wraps += [_times_one]
        else:
            wraps += [_negated_twice, _neutral_condition]
        return rng.choice(wraps)(site, rng)


def _in_let(site: Site, rng: random.Random) -> Any | None:
    if lanes_of(site.dtype) != 1:
        return None
    var = compat.Var(f"wrapped{rng.randrange(1000)}", site.dtype)
    return tirx.Let(var, site.node, var)


def _in_select(site: Site, rng: random.Random) -> Any:
    other = ExpressionGenerator(rng, site.scope).draw(site.dtype, 1).expr
    true = constant(vector("bool", lanes_of(site.dtype)) if rng.random() < 0.5 else "bool", True)
    if rng.random() < 0.5:
        return tirx.Select(true.expr, site.node, other)
    return tirx.Select(tirx.Not(true.expr), other, site.node)


def _in_branch(site: Site, rng: random.Random) -> Any:
    condition = ExpressionGenerator(rng, site.scope).condition(2)
    return intrinsic(site.dtype, "if_then_else", condition, site.node, rewrite.refresh(site.node))


def _neutral(site: Site, rng: random.Random) -> Any:
    zero, one = constant(site.dtype, 0).expr, constant(site.dtype, 1).expr
    unit = rng.choice(
        [
            "Add",
            "Sub",
            "Mul",
            "FloorDiv",
            "Div",
            "BitwiseOr",
            "BitwiseXor",
            "LShift",
            "RShift",
            "Max",
        ]
    )
    if unit in ("Mul", "FloorDiv", "Div"):
        return compat.binary(unit, site.node, one)
    if unit == "Max":
        return tirx.Max(site.node, constant(site.dtype, limits(site.dtype)[0]).expr)
    return compat.binary(unit, site.node, zero)


def _cast_there_and_back(site: Site, rng: random.Random) -> Any | None:
    value = existing(site)
    wider = [
        other for other in ("int64", "int32", "int16", "float64", "uint64")
        if other == "float64" and max(map(abs, value.range)) < 2**53
        or is_integer(other) and fits(value.range, other)
    ]  # fmt: skip
    wider = [other for other in wider if other != base_dtype(site.dtype)]
    if not wider:
        return None
    other = vector(rng.choice(wider), lanes_of(site.dtype))
    return tirx.Cast(site.dtype, tirx.Cast(other, site.node))


def _times_one(site: Site, rng: random.Random) -> Any:
    one = constant(site.dtype, 1.0).expr
    return compat.binary(rng.choice(["Mul", "Div"]), site.node, one)


def _negated_twice(site: Site, rng: random.Random) -> Any:
    return tirx.Not(tirx.Not(site.node))


def _neutral_condition(site: Site, rng: random.Random) -> Any | None:
    key = rng.choice(["And", "Or"])
    if lanes_of(site.dtype) != 1:
        return None
    if rng.random() < 0.3:
        return intrinsic("bool", "likely", site.node)
    return compat.binary(key, site.node, constant("bool", key == "And").expr)
