"""Which of a function's own buffers live in locals, and what each statement writes.

A buffer is promoted if every access of it has a constant place, and no two accesses overlap, but
for single elements of a vector: such are a tile's accumulators, and values that are held. Each
place is a *slot*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.wasm.emit.program import NotCovered, PlainProgram

MOST_SLOTS = 256  # of all buffers; V8 takes long with more locals, and spills most
NO_WORK = frozenset({"AllocBuffer", "DeclBuffer", "AssertStmt"})
PARALLEL = 1
ADDRESSES = frozenset({"address_of", "buffer_data", "tvm_access_ptr"})

Place = tuple[int, int]  # the first element and the number of elements
Places = dict[Place, Place]  # each place that is accessed, and the slot that holds it


@dataclass
class Writes:
    """What a statement may change: slots (buffer, first element, elements) and other buffers."""

    slots: set[tuple[int, int, int]] = field(default_factory=set)
    buffers: set[int] = field(default_factory=set)
    has_loop: bool = False
    vectors: int = 0  # how many vectors of 16 bytes, or scalars, one iteration stores


def promoted(program: PlainProgram) -> dict[int, Places]:
    """The buffers to promote, with the places that are accessed."""
    own: dict[int, set[Place]] = {}
    for kind, fields in zip(program.kinds, program.fields, strict=True):
        if kind == "AllocBuffer":
            own[fields["buffer"]] = set()
    _without_aliases(program, own)
    for kind, fields in zip(program.kinds, program.fields, strict=True):
        if kind in ("BufferLoad", "BufferStore"):
            buffer = fields["buffer"]
            if buffer in own:
                place = _place(program, fields)
                if place is None:
                    del own[buffer]
                else:
                    own[buffer].add(place)
        elif kind == "Call":
            for taken in _addressed(program, fields):
                own.pop(taken, None)
    found: dict[int, Places] = {}
    count = 0
    for buffer, accessed in own.items():
        places = _slots(accessed)
        count += len(accessed)
        if places is not None and count <= MOST_SLOTS and _is_plain(program, buffer, accessed):
            found[buffer] = places
    return found


def _without_aliases(program: PlainProgram, own: dict[int, set[Place]]) -> None:
    """Replace other names of a function's own buffers, which StorageRewrite makes."""
    aliases: dict[int, int] = {}
    for number, kind in enumerate(program.kinds):
        fields = program.fields[number]
        if kind == "DeclBuffer" and program.kinds[fields["data"]] == "Call":
            (buffer,) = _addressed(program, program.fields[fields["data"]]) or (-1,)
            buffer = aliases.get(buffer, buffer)
            if buffer in own and program.dtype(buffer) == program.dtype(fields["buffer"]):
                aliases[fields["buffer"]] = buffer
                program.kinds[number] = program.kinds[fields["data"]] = "Alias"
    for kind, fields in zip(program.kinds, program.fields, strict=True):
        if kind in ("BufferLoad", "BufferStore") and fields["buffer"] in aliases:
            fields["buffer"] = aliases[fields["buffer"]]


def _place(program: PlainProgram, access: dict[str, Any]) -> Place | None:
    indices = access["indices"]
    if len(indices) != 1:
        return None
    (index,), each = indices, program.dtype(access["buffer"]).lanes
    lanes, kind = program.dtype(index).lanes, program.kinds[index]
    if kind == "Ramp":
        fields = program.fields[index]
        first = program.constant(fields["base"])
        is_straight = program.constant(fields["stride"]) == 1 and each == 1
        return (first, lanes) if first is not None and is_straight else None
    first = program.constant(index)
    return None if first is None else (first * each, each)


def _addressed(program: PlainProgram, call: dict[str, Any]) -> list[int]:
    """The buffers whose address a call takes."""
    name = call["name"]
    found = []
    for argument in call["args"] if name in ADDRESSES else ():
        fields = program.fields[argument]
        found.append(fields["buffer"] if program.kinds[argument] == "BufferLoad" else argument)
    return found


def _slots(accessed: set[Place]) -> Places | None:
    """The slot of each place; None if two overlap otherwise than as an element of a vector."""
    places: Places = {}
    slot: Place = (0, 0)
    for first, count in sorted(accessed, key=lambda place: (place[0], -place[1])):
        if first >= sum(slot):
            slot = (first, count)
        elif count > 1:
            return None
        places[first, count] = slot
    return places


def _is_plain(program: PlainProgram, buffer: int, places: set[Place]) -> bool:
    """Whether its values have a form of their own: booleans in vectors take that of comparisons."""
    is_boolean = program.dtype(buffer).code == "bool"
    return not is_boolean or all(count == 1 for _, count in places)


def row_loop(program: PlainProgram, number: int, is_open: bool) -> tuple[int, int | None]:
    """The parallel loop that is all of a function's work, and its rows; -1 and 1 if there is none.

    Where the extent `is_open`, it may be no constant: then the rows are None.

    Any rows can be done in any order, by several threads.
    """
    kind, fields = program.kinds[number], program.fields[number]
    if kind == "SeqStmt":
        work = [each for each in fields["seq"] if program.kinds[each] not in NO_WORK]
        return row_loop(program, work[0], is_open) if len(work) == 1 else (-1, 1)
    if kind == "AttrStmt":
        return row_loop(program, fields["body"], is_open)
    if kind == "For" and fields["kind"] == PARALLEL:
        extent = program.constant(fields["extent"])
        if (extent is not None or is_open) and not fields["step"]:
            return number, extent
    return -1, 1


def writes_of(program: PlainProgram, slots: dict[int, Places], root: int) -> dict[int, Writes]:
    """What every loop and branch below a statement writes, and whether it has a loop inside."""
    found: dict[int, Writes] = {}

    def visit(number: int, around: Writes) -> None:
        kind, fields = program.kinds[number], program.fields[number]
        if kind == "SeqStmt":
            for each in fields["seq"]:
                visit(each, around)
        elif kind == "BufferStore":
            buffer = fields["buffer"]
            dtype = program.dtype(fields["value"])
            around.vectors += -(-dtype.lanes * dtype.bytes // 16)
            if buffer in slots:
                place = _place(program, fields)
                assert place is not None
                around.slots.add((buffer, *slots[buffer][place]))
            else:
                around.buffers.add(buffer)
        elif kind in ("For", "While", "IfThenElse"):
            own = found[number] = Writes()
            for name in ("body", "then_case", "else_case"):
                if fields.get(name):
                    visit(fields[name], own)
            around.slots |= own.slots
            around.buffers |= own.buffers
            around.has_loop |= own.has_loop or kind != "IfThenElse"
            around.vectors += own.vectors
        elif kind == "AttrStmt":
            visit(fields["body"], around)
        elif kind not in ("AllocBuffer", "DeclBuffer", "Evaluate", "Bind", "AssertStmt", "Alias"):
            raise NotCovered(kind)

    visit(root, Writes())
    return found
