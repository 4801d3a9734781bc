"""Statements: insert, delete, duplicate, swap (Tzer, section 3: general-purpose mutation)."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from harness import compat
from harness.ir import rewrite
from harness.ir.sites import Site
from seeds.statements import StatementGenerator
from tzer.mutate.base import SiteMutator, feeds_others

DEFINING = frozenset({"Bind", "AllocBuffer", "DeclBuffer"})
# Nodes that can't be removed, duplicated or moved as statements.
FIXED = frozenset({"SBlock", "SBlockRealize", "Break", "Continue", "Return"})


def is_plain_statement(site: Site) -> bool:
    """Whether statements may be inserted before or after the statement at the site."""
    return site.role == "statement" and site.key not in FIXED | DEFINING | {"SeqStmt"}


def between_blocks(site: Site) -> bool:
    """Whether the statement contains blocks, or could get next to one."""
    return any(compat.type_key(node) == "SBlock" for node in compat.nodes(site.node))


def leaves_unwritten(site: Site, function: Any, rng: random.Random) -> bool:
    """Whether doing less at the site would probably leave memory unwritten that is read later.

    Sometimes it is let pass, as nothing may read it.
    """
    return rng.random() > 0.03 and feeds_others(site, function)


class InsertStatement(SiteMutator):
    """Insert a new statement before or after another."""

    name = "insert-statement"
    general = True

    def picks(self, site: Site) -> bool:
        usable = any(m.writable for m in site.scope.memories) or site.scope.in_block
        return is_plain_statement(site) and usable and not between_blocks(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        generator = StatementGenerator(rng, budget=4)
        scope = replace(site.scope, memories=tuple(map(_measured, site.scope.memories)))
        if scope.in_block or scope.concurrent:  # shared buffers must not be written here
            made = generator.bind(scope)
        else:
            made = generator.statement(scope, rng.choice([0, 1, 2]))
        if made is None:
            return None
        fresh, _ = made
        own = [site.node]
        return rewrite.sequence([*own, *fresh] if rng.random() < 0.5 else [*fresh, *own])


def _measured(memory: Any) -> Any:
    """The buffer, with an interval for stored values that keeps later sums small."""
    if memory.interval is None or memory.dtype == "bool":
        return memory
    low, high = memory.interval
    return replace(memory, interval=(max(low, -100), min(high, 100)))


class DeleteStatement(SiteMutator):
    """Delete a statement of a sequence, or a whole body."""

    name = "delete-statement"
    general = True

    def picks(self, site: Site) -> bool:
        return is_plain_statement(site) and len(site.path) > 1 and site.key != "Evaluate"

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        return None if leaves_unwritten(site, function, rng) else rewrite.sequence([])


class DuplicateStatement(SiteMutator):
    """Duplicate a statement, with its definitions renamed."""

    name = "duplicate-statement"
    general = True

    def picks(self, site: Site) -> bool:
        return is_plain_statement(site) and not between_blocks(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        return rewrite.sequence([site.node, rewrite.refresh(site.node)])


class SwapStatements(SiteMutator):
    """Swap two adjacent statements, if neither defines anything that the other uses."""

    name = "swap-statements"
    general = True

    def picks(self, site: Site) -> bool:
        return site.key == "SeqStmt" and any(True for _ in _swappable(site.node))

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        index = rng.choice(list(_swappable(site.node)))
        statements = list(site.node.seq)
        if rng.random() > 0.1 and _feeds(statements[index], statements[index + 1], function):
            return None
        statements[index : index + 2] = reversed(statements[index : index + 2])
        return rewrite.sequence(statements)


def _swappable(sequence: Any) -> Any:
    statements = list(sequence.seq)
    for index, pair in enumerate(zip(statements, statements[1:], strict=False)):
        if not any(compat.type_key(statement) in DEFINING for statement in pair):
            yield index


def _feeds(first: Any, second: Any, function: Any) -> bool:
    """Whether the second reads local memory that the first writes."""
    params = set(function.params)
    stores = (node for node in compat.nodes(first) if compat.type_key(node) == "BufferStore")
    local = {store.buffer for store in stores} - params
    return any(
        compat.type_key(node) == "BufferLoad" and compat.load_buffer(node) in local
        for node in compat.nodes(second)
    )
