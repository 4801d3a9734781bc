"""Writes the graph of a function as the bytes of its body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from harness.wasm import binary
from harness.wasm.emit.graph import (
    Branch,
    CodeRegion,
    Define,
    Effect,
    Loop,
    StoreEffect,
    ValueGraph,
    ValueNode,
)
from harness.wasm.emit.opcodes import (
    BLOCK,
    BR,
    BR_IF,
    CALL,
    ELSE,
    END,
    GLOBAL_GET,
    GLOBAL_SET,
    IF,
    LOCAL_GET,
    LOCAL_SET,
    LOCAL_TEE,
    LOOP,
    NO_RESULT,
    SCALAR,
    TYPES,
)

PLACEHOLDER = binary.padded(0)  # of an index that the linker fills in


class Code:
    """The body of a function. `globals` and `calls` are where the linker has to fill in the stack
    pointer, and the indices of imported functions."""

    def __init__(self, graph: ValueGraph, parameters: int) -> None:
        self.graph, self.parameters = graph, parameters
        self.out = bytearray()
        self.globals: list[int] = []
        self.calls: list[tuple[int, str]] = []
        self._gets: dict[int, bytes] = {}

    def body(self, frame: int, frame_local: int) -> bytes:
        """The function with its locals; offsets in `globals` and `calls` count from its start."""
        if frame:
            self._global(GLOBAL_GET)
            self._constant(-frame)
            self.out += SCALAR["i32"]["add"]
            self._local(LOCAL_TEE, frame_local)
            self._global(GLOBAL_SET)
        self.region(self.graph.root)
        if frame:
            self._local(LOCAL_GET, frame_local)
            self._constant(frame)
            self.out += SCALAR["i32"]["add"]
            self._global(GLOBAL_SET)
        self.out.append(END)
        own = self.graph.locals[self.parameters :]
        runs = [(type_, len(list(run))) for type_, run in groupby(own)]
        before = binary.vector(
            binary.unsigned(count) + bytes([TYPES[type_]]) for type_, count in runs
        )
        self.globals = [len(before) + offset for offset in self.globals]
        self.calls = [(len(before) + offset, name) for offset, name in self.calls]
        return before + bytes(self.out)

    def region(self, region: CodeRegion, first: int = 0, last: int | None = None) -> None:
        for effect in region.effects[first:last]:
            for node in effect.before:
                self._keep(node)
            WRITERS[type(effect)](self, effect)

    def tree(self, node: ValueNode) -> None:
        """Put a value on the stack: computed here, or where it was first needed."""
        if node.local is not None:
            self.out += self._get(node.local)
        elif node.is_free:
            self.out += node.code
        else:
            for arg in node.args:
                self.tree(arg)
            if node.import_name is not None:
                self.out.append(CALL)
                self.calls.append((len(self.out), node.import_name))
                self.out += PLACEHOLDER
            else:
                self.out += node.code
            node.is_done = True
            if node.uses > 1:
                node.local = self.graph.new_local(node.type)
                self._local(LOCAL_TEE, node.local)

    def _keep(self, node: ValueNode) -> None:
        """Compute a value into a local, if it isn't in one."""
        if node.is_free or node.is_done:
            return
        uses, node.uses = node.uses, 1
        self.tree(node)
        node.uses = uses
        node.local = self.graph.new_local(node.type)
        self._local(LOCAL_SET, node.local)

    def _save(self, changed: Sequence[ValueNode]) -> None:
        """Do the loads that are still wanted, before memory changes."""
        for node in changed:
            if node.uses:
                self._keep(node)

    def define(self, effect: Define) -> None:
        if effect.node.uses:
            self._keep(effect.node)

    def store(self, effect: StoreEffect) -> None:
        self.tree(effect.address)
        self.tree(effect.value)
        self._save(effect.changed)
        self.out += effect.code

    def branch(self, effect: Branch) -> None:
        self._save(effect.changed)
        self.tree(effect.condition)
        self.out += bytes([IF, NO_RESULT])
        self.region(effect.yes)
        self._set([(phi.local, phi.next) for phi in effect.phis])
        if effect.no.effects or effect.phis:
            self.out.append(ELSE)
            self.region(effect.no)
            self._set([(phi.local, phi.first) for phi in effect.phis])
        self.out.append(END)

    def loop(self, effect: Loop) -> None:
        self._save(effect.changed)
        self._set([(phi.local, phi.first) for phi in effect.phis])
        if effect.counting is None:
            self._endless(effect)
        else:
            self._counted(effect)

    def _endless(self, effect: Loop) -> None:
        """A loop that asks its condition first."""
        assert effect.condition is not None
        self.out += bytes([BLOCK, NO_RESULT, LOOP, NO_RESULT])
        self.region(effect.body, 0, effect.asked)
        self.tree(effect.condition)
        self.out += SCALAR["i32"]["eqz"] + bytes([BR_IF, 1])
        self.region(effect.body, effect.asked)
        self._set([(phi.local, phi.next) for phi in effect.phis])
        self.out += bytes([BR, 0, END, END])

    def _counted(self, effect: Loop) -> None:
        """A loop that is entered, or not, and whose end is tested after each iteration.

        Where nothing else needs the counter, a pointer counts in its place.
        """
        counting = effect.counting
        assert counting is not None
        instructions = SCALAR[counting.counter.type]
        self._keep(counting.start)
        self._keep(counting.stop)
        for node, base, _ in effect.pointers:
            self.tree(base)
            self._local(LOCAL_SET, _local_of(node))
        extent = _extent(effect)
        limit = -1
        if effect.pointers and counting.counter.uses == 0 and extent is not None:
            node, _, step = effect.pointers[0]
            limit = self.graph.new_local("i32")
            self.out += node.code
            self._constant(step * extent)
            self.out += SCALAR["i32"]["add"]
            self._local(LOCAL_SET, limit)
        else:
            self.tree(counting.start)
            self._local(LOCAL_SET, counting.local)
        if not effect.is_entered:
            self.tree(counting.start)
            self.tree(counting.stop)
            self.out += instructions["lt_s"] + bytes([IF, NO_RESULT])
        self.out += bytes([LOOP, NO_RESULT])
        self.region(effect.body)
        self._set([(phi.local, phi.next) for phi in effect.phis])
        for node, _, step in effect.pointers:
            self.out += node.code
            self._constant(step * counting.step)
            self.out += SCALAR["i32"]["add"]
            self._local(LOCAL_SET, _local_of(node))
        if limit >= 0:
            self.out += effect.pointers[0][0].code + self._get(limit) + SCALAR["i32"]["ne"]
        else:
            self.out += self._get(counting.local)
            self.out += self.graph.integer(counting.counter.type, counting.step).code
            self.out += instructions["add"]
            self._local(LOCAL_TEE, counting.local)
            self.tree(counting.stop)
            self.out += instructions["lt_s"]
        self.out += bytes([BR_IF, 0, END])
        if not effect.is_entered:
            self.out.append(END)

    def _set(self, values: list[tuple[int, ValueNode]]) -> None:
        """Set locals to values that were all computed before."""
        for _, node in values:
            self.tree(node)
        for local, _ in reversed(values):
            self._local(LOCAL_SET, local)

    def _get(self, local: int) -> bytes:
        code = self._gets.get(local)
        if code is None:
            code = self._gets[local] = bytes([LOCAL_GET]) + binary.unsigned(local)
        return code

    def _local(self, opcode: int, local: int) -> None:
        self.out.append(opcode)
        self.out += self._get(local)[1:]

    def _constant(self, value: int) -> None:
        self.out += self.graph.integer("i32", value).code

    def _global(self, opcode: int) -> None:
        self.out.append(opcode)
        self.globals.append(len(self.out))
        self.out += PLACEHOLDER


def _local_of(node: ValueNode) -> int:
    return binary.Reader(node.code, 1).unsigned()


def _extent(effect: Loop) -> int | None:
    """How far a counter goes, where that is known."""
    counting = effect.counting
    if counting is None or not effect.is_entered:
        return None
    start, stop = counting.start.value, counting.stop.value
    return None if start is None or stop is None else stop - start


WRITERS: dict[type[Effect], Callable[[Code, Any], None]] = {
    Define: Code.define,
    StoreEffect: Code.store,
    Branch: Code.branch,
    Loop: Code.loop,
}
