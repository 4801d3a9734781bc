"""The graph of a function: what is computed once, where, and what happens in which order.

A *node* is a value. Its home is the innermost region that one of its operands belongs to, so that
what doesn't change in a loop is computed before it; equal nodes of one region are one. A *region*
is a function's, a loop's or a branch's body: a list of *effects* that happen in order. A node that
is used once is computed where it is used, any other goes to a local when it is first computed.

What reads memory, or may trap, belongs to the region in which the program has it. A store names
the loads that it would change, so that those that are still wanted are done before it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from harness.wasm import binary
from harness.wasm.emit.opcodes import COMPARISONS, LOCAL_GET, SCALAR, V128_CONST, simd

CONST = {"i32": b"\x41", "i64": b"\x42", "f32": b"\x43", "f64": b"\x44"}


class ValueNode:
    """A value of one of WebAssembly's types: its operands, then the bytes of an instruction.

    `value` is that of an integer constant; `terms` and `constant` make a sum of an integer, which
    has no instruction of its own (`integers.py`); `low` and `high` bound an integer, None where
    nothing is known. `uses` counts what needs it; `local` is where it was kept.
    """

    __slots__ = (
        "args", "code", "constant", "high", "home", "import_name", "is_done", "is_free", "local",
        "low", "number", "terms", "type", "uses", "value",
    )  # fmt: skip

    def __init__(
        self, code: bytes, type_: str, args: tuple[ValueNode, ...], home: CodeRegion, number: int
    ) -> None:
        self.code, self.type, self.args, self.home, self.number = code, type_, args, home, number
        self.uses = 0
        self.local: int | None = None
        self.is_done = self.is_free = False
        self.value: int | None = None
        self.terms: dict[ValueNode, int] | None = None
        self.constant = 0
        self.low: int | None = None
        self.high: int | None = None
        self.import_name: str | None = None


class CodeRegion:
    """A body. `branch` is the innermost branch around it, which nothing of it may leave."""

    __slots__ = (
        "addresses", "branch", "depth", "effects", "loop", "open", "parent", "pointers", "table",
    )  # fmt: skip

    def __init__(self, parent: CodeRegion | None, *, is_branch: bool = False) -> None:
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent else 0
        self.branch: CodeRegion = self if is_branch or parent is None else parent.branch
        self.table: dict[Any, ValueNode] = {}
        self.addresses: dict[Any, tuple[ValueNode, int]] = {}  # of a branch: see integers.py
        self.effects: list[Effect] = []
        self.open: Effect | None = None  # the effect that the region in the making belongs to
        self.pointers: Pointers | None = None  # of an innermost loop
        self.loop: Loop | None = None  # whose body it is


class Effect:
    """Something that happens; before it, `before` are computed and kept."""

    __slots__ = ("before",)

    def __init__(self) -> None:
        self.before: list[ValueNode] = []


class Define(Effect):
    """The place where a node is computed, if it is needed at all."""

    __slots__ = ("node",)

    def __init__(self, node: ValueNode) -> None:
        super().__init__()
        self.node = node


class StoreEffect(Effect):
    """A store of a value at an address; `changed` are the loads that it makes invalid."""

    __slots__ = ("address", "changed", "code", "value")

    def __init__(
        self, code: bytes, address: ValueNode, value: ValueNode, changed: Sequence[ValueNode]
    ) -> None:
        super().__init__()
        self.code, self.address, self.value, self.changed = code, address, value, changed


class Phi:
    """A local that holds one value before a loop or branch, and another after."""

    __slots__ = ("first", "local", "next")

    def __init__(self, local: int, first: ValueNode) -> None:
        self.local, self.first, self.next = local, first, first


class Pointers:
    """A loop's addresses that grow with its counter: (base, bytes for a count) to their local."""

    def __init__(self, counter: ValueNode, start: ValueNode) -> None:
        self.counter, self.start = counter, start
        self.found: dict[tuple[ValueNode, int], ValueNode] = {}


class Counting:
    """A counter that is kept in a local, from `start` below `stop`."""

    __slots__ = ("counter", "local", "start", "step", "stop")

    def __init__(
        self, counter: ValueNode, local: int, start: ValueNode, stop: ValueNode, step: int
    ) -> None:
        self.counter, self.local = counter, local
        self.start, self.stop, self.step = start, stop, step


class Loop(Effect):
    """A loop that counts, or goes on while `condition`."""

    __slots__ = (
        "asked", "body", "changed", "condition", "counting", "is_entered", "phis", "pointers",
        "written",
    )  # fmt: skip

    def __init__(self, body: CodeRegion, changed: Sequence[ValueNode]) -> None:
        super().__init__()
        self.body, self.changed = body, changed
        self.phis: list[Phi] = []
        self.pointers: list[
            tuple[ValueNode, ValueNode, int]
        ] = []  # the pointer, its start, its step
        self.counting: Counting | None = None
        self.is_entered = False  # in any case, so that its end alone is tested
        self.condition: ValueNode | None = None
        self.asked = 0  # how many effects come before the condition
        self.written: set[int] = set()  # memories, by their number
        body.loop = self


class Branch(Effect):
    """Two regions, one of which happens, and the values that come of them."""

    __slots__ = ("changed", "condition", "no", "phis", "yes")

    def __init__(
        self, condition: ValueNode, yes: CodeRegion, no: CodeRegion, changed: Sequence[ValueNode]
    ) -> None:
        super().__init__()
        self.condition, self.yes, self.no, self.changed = condition, yes, no, changed
        self.phis: list[Phi] = []  # `first` is what the second region brings


class ValueGraph:
    """Builds the graph, region by region."""

    def __init__(self) -> None:
        self.root = CodeRegion(None)
        self.region = self.root
        self.locals: list[str] = []  # their types, the parameters first
        self.sums: dict[Any, ValueNode] = {}
        self._made = 0

    def new_local(self, type_: str) -> int:
        self.locals.append(type_)
        return len(self.locals) - 1

    def held(self, local: int, home: CodeRegion) -> ValueNode:
        """What a local holds while this region runs."""
        node = self._node(bytes([LOCAL_GET]) + binary.unsigned(local), self.locals[local], (), home)
        node.is_free = True
        return node

    def _node(
        self, code: bytes, type_: str, args: tuple[ValueNode, ...], home: CodeRegion
    ) -> ValueNode:
        self._made += 1
        return ValueNode(code, type_, args, home, self._made)

    def integer(self, type_: str, value: int) -> ValueNode:
        bits = 32 if type_ == "i32" else 64
        value = (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
        node = self.root.table.get((type_, value))
        if node is None:
            code = CONST[type_] + binary.signed(value)
            node = self.root.table[type_, value] = self._node(code, type_, (), self.root)
            node.is_free = True
            node.value = node.low = node.high = value
        return node

    def floating(self, type_: str, value: float) -> ValueNode:
        return self.free(CONST[type_] + float_bytes(type_, value), type_)

    def vector(self, content: bytes) -> ValueNode:
        return self.free(simd(V128_CONST) + content, "v128")

    def zero(self, type_: str) -> ValueNode:
        if type_ == "v128":
            return self.vector(bytes(16))
        return self.floating(type_, 0) if type_[0] == "f" else self.integer(type_, 0)

    def free(self, code: bytes, type_: str) -> ValueNode:
        """A constant, which is as cheap to make again as to keep."""
        node = self.root.table.get(code)
        if node is None:
            node = self.root.table[code] = self._node(code, type_, (), self.root)
            node.is_free = True
        return node

    def op(self, code: bytes, type_: str, *args: ValueNode) -> ValueNode:
        """The value of an instruction that reads no memory and can't trap."""
        own = self.root
        for arg in args:
            if arg.home.depth > own.depth:
                own = arg.home
        branch = self.region.branch
        home = branch if branch.depth > own.depth else own
        key = (code, *args)
        region: CodeRegion | None = home
        while region is not None and region.depth >= own.depth:
            known = region.table.get(key)
            if known is not None:
                return known
            region = region.parent
        node = home.table[key] = self._node(code, type_, args, home)
        return node

    def scalar(self, type_: str, name: str, *args: ValueNode) -> ValueNode:
        """An instruction on scalars of a type; comparisons make an i32."""
        result = "i32" if name in COMPARISONS else type_
        return self.op(SCALAR[type_][name], result, *args)

    def load(
        self, code: bytes, type_: str, args: tuple[ValueNode, ...], memory: int, state: int
    ) -> ValueNode:
        """What memory holds while it is in a state: read before the loops that don't change it."""
        here, depth = self.region, max(arg.home.depth for arg in args)
        while True:
            loop = self.region.loop
            if loop is None or not loop.is_entered or memory in loop.written:
                break
            if depth >= self.region.depth or self.region.parent is None:
                break
            self.region = self.region.parent
        node = self.anchored(code, type_, args, (memory, state))
        self.region = here
        return node

    def anchored(
        self, code: bytes, type_: str, args: tuple[ValueNode, ...], state: Any
    ) -> ValueNode:
        """A value that belongs where it is, as it may trap."""
        key = (code, args, state)
        region: CodeRegion | None = self.region
        while region is not None:
            known = region.table.get(key)
            if known is not None:
                return known
            region = region.parent
        node = self.region.table[key] = self._node(code, type_, args, self.region)
        return node

    def use(self, node: ValueNode, region: CodeRegion) -> None:
        """Count a use of a node by an effect of a region, or by another node."""
        node.uses += 1
        if node.is_free or node.uses > 1:
            return
        home = node.home
        if home is not region:
            node.uses = 2  # so that it is kept
            assert home.open is not None
            home.open.before.append(node)
        for arg in node.args:
            self.use(arg, home)

    def define(self, node: ValueNode) -> None:
        """Compute a node at this place, rather than where it is first used."""
        if not node.is_free and node.home is self.region:
            self.region.effects.append(Define(node))

    def store(
        self, code: bytes, address: ValueNode, value: ValueNode, changed: Sequence[ValueNode]
    ) -> None:
        self.use(address, self.region)
        self.use(value, self.region)
        self.region.effects.append(StoreEffect(code, address, value, changed))


def float_bytes(type_: str, value: float) -> bytes:
    """The bytes of a number, rounded to its type."""
    if type_ == "f64":
        return struct.pack("<d", value)
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))
