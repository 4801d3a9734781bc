"""Annotations: what schedules attach to loops and buffers, where the program agrees with it."""

from __future__ import annotations

import random
from typing import Any, ClassVar

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.loop_kinds import SERIAL
from harness.ir.sites import Site
from seeds.statements import pointer_to
from seeds.values import constant
from tzer.mutate.base import SiteMutator

# Pragmas of loops with values of every type: None is no value at all, which schedules write too.
ODD_VALUES: tuple[tuple[str, int | None], ...] = (
    ("int32", 1), ("bool", 0), ("bool", 1), ("int64", 1), ("int64", 16), ("int8", 1), ("", None),
)  # fmt: skip
PRAGMAS = ("pragma_unroll_explicit", "pragma_auto_unroll_max_step")


class AnnotateOddly(SiteMutator):
    """Give a loop a pragma whose value is None or of another type than usual."""

    name = "annotate-oddly"

    def picks(self, site: Site) -> bool:
        return site.key == "For" and int(site.node.kind) == SERIAL

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        dtype, number = rng.choice(ODD_VALUES)
        value = None if number is None else constant(dtype, number).expr
        annotations = {**dict(site.node.annotations.items()), rng.choice(PRAGMAS): value}
        return rewrite.with_fields(site.node, annotations=annotations)


class DoubleBuffer(SiteMutator):
    """Mark a buffer as double-buffered around the statement that fills it.

    InjectDoubleBuffer fills it for the next iteration of the loop before the others of this one
    run. So no other statement may write the buffer, and what the filling one reads must be written
    by nobody.
    """

    name = "double-buffer"
    key: ClassVar[str] = "double_buffer_scope"

    def picks(self, site: Site) -> bool:
        return site.key == "SeqStmt" and bool(site.scope.loops) and not site.scope.concurrent

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        parts = list(site.node.seq)
        written = {n.buffer for n in compat.nodes(function) if compat.type_key(n) == "BufferStore"}
        for index, part in enumerate(parts[:-1]):
            if compat.type_key(part) != "AllocBuffer":
                continue
            filling, others = parts[index + 1], parts[index + 2 :]
            if not _fills(filling, part.buffer, written) or any(
                part.buffer in _stored(other) for other in others
            ):
                continue
            one = constant("int32", 1).expr
            attribute = tirx.AttrStmt(pointer_to(part.buffer), self.key, one, filling)
            return rewrite.sequence([*parts[: index + 1], attribute, *others])
        return None


def _stored(statement: Any) -> set[Any]:
    return {n.buffer for n in compat.nodes(statement) if compat.type_key(n) == "BufferStore"}


def _fills(statement: Any, buffer: Any, written: set[Any]) -> bool:
    """Whether the statement writes this buffer alone, of what nobody writes."""
    read = {
        compat.load_buffer(n) for n in compat.nodes(statement) if isinstance(n, compat.BufferLoad)
    }
    return _stored(statement) == {buffer} and not read & written
