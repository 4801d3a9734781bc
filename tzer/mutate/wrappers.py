"""Wrappers: add a condition, loop, pragma or binding around a statement, or remove one."""

from __future__ import annotations

import random
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.loop_kinds import SERIAL, UNROLLED, VECTORIZED
from harness.ir.sites import Site, Variable
from seeds.expressions import ExpressionGenerator
from seeds.statements import PRAGMAS, has_pragma
from seeds.values import constant, intrinsic
from tzer.mutate.base import SiteMutator
from tzer.mutate.statements import between_blocks, is_plain_statement, leaves_unwritten


class WrapInIf(SiteMutator):
    """Put a statement under a condition, which varies or always holds."""

    name = "wrap-in-if"
    general = True

    def picks(self, site: Site) -> bool:
        return is_plain_statement(site) and not between_blocks(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        if leaves_unwritten(site, function, rng):
            return None
        condition = ExpressionGenerator(rng, site.scope).condition(rng.choice([1, 2]))
        if rng.random() < 0.2:
            condition = intrinsic("bool", "likely", condition)
        other = rewrite.refresh(site.node) if rng.random() < 0.4 else None
        return tirx.IfThenElse(condition, site.node, other)


class WrapInLoop(SiteMutator):
    """Put a statement in a loop of a few iterations that it doesn't depend on."""

    name = "wrap-in-loop"
    general = True

    def picks(self, site: Site) -> bool:
        plain = is_plain_statement(site) and not between_blocks(site)
        return plain and VECTORIZED not in site.scope.loops and site.key != "Evaluate"

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        if len(site.scope.loops) > 5:
            return None
        var = compat.Var(f"again{rng.randrange(100)}", "int32")
        least = constant("int32", rng.choice([0, 0, 1, -1])).expr
        extent = constant("int32", rng.choice([1, 1, 2, 3])).expr
        return tirx.For(var, least, extent, rng.choice([SERIAL, SERIAL, UNROLLED]), site.node)


class WrapInPragma(SiteMutator):
    """Put a statement under an attribute that does not change its meaning."""

    name = "wrap-in-pragma"
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        return is_plain_statement(site) and not between_blocks(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        key = rng.choice(PRAGMAS)
        if has_pragma(site.node, key):
            return None
        zero = constant("int32", 0).expr
        value = constant("int32", rng.choice([0, 1, 4, 16])).expr
        return tirx.AttrStmt(zero, key, value, site.node)


class BindValue(SiteMutator):
    """Bind an operand of a store to a variable before the store."""

    name = "bind-value"
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        return site.key == "BufferStore" and "x" not in compat.dtype_of(site.node.value)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        store = site.node
        value = rewrite.refresh(store.value)
        if rng.random() < 0.3:
            body = ExpressionGenerator(rng, site.scope).draw("int32", 2)
            unused = compat.Var(f"unused{rng.randrange(100)}", "int32")
            return rewrite.sequence([tirx.Bind(unused, body.expr), store])
        var = compat.Var(f"bound{rng.randrange(1000)}", compat.dtype_of(value))
        return rewrite.sequence([tirx.Bind(var, value), rewrite.with_fields(store, value=var)])


class InsertAssert(SiteMutator):
    """Insert an assertion that holds before a statement."""

    name = "insert-assert"

    def picks(self, site: Site) -> bool:
        plain = is_plain_statement(site) and not between_blocks(site)
        return plain and not site.scope.concurrent and bool(_ranged(site))

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        variable = rng.choice(_ranged(site))
        assert variable.interval is not None
        low, high = variable.interval
        holds = rng.choice([
            tirx.LE(variable.var, constant(variable.dtype, high).expr),
            tirx.GE(variable.var, constant(variable.dtype, low).expr),
        ])  # fmt: skip
        kind, text = compat.StringImm("ValueError"), compat.StringImm("out of range")
        return rewrite.sequence([tirx.AssertStmt(holds, kind, [text]), site.node])


def _ranged(site: Site) -> list[Variable]:
    return [v for v in site.scope.variables if v.interval and v.dtype in ("int32", "int64")]


class Unwrap(SiteMutator):
    """Replace a condition, attribute or loop by its body (for a loop, by one iteration)."""

    name = "unwrap"
    general = True

    def picks(self, site: Site) -> bool:
        return site.key in ("IfThenElse", "AttrStmt", "For") and not between_blocks(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        node = site.node
        if site.key != "AttrStmt" and leaves_unwritten(site, function, rng):
            return None
        if site.key == "IfThenElse":
            return (
                node.else_case
                if node.else_case is not None and rng.random() < 0.5
                else node.then_case
            )
        if site.key == "AttrStmt":
            return node.body if str(node.attr_key).startswith("pragma") else None
        if leaves(node.body):
            return None
        return rewrite.substitute(node.body, {node.loop_var: node.min})


def leaves(body: Any) -> bool:
    """Whether the body has a break or continue (of this loop or a nested one)."""
    return any(
        compat.type_key(node) in ("Break", "Continue")
        or (compat.type_key(node) == "Call" and compat.call_name(node).endswith("_loop"))
        for node in compat.nodes(body)
    )
