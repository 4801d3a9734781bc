"""Reads AMD's machine code as text: which instructions a shader's loops are made of.

Instructions are distinguished by their names alone, which are the same from GCN to RDNA 3 but for
those of the table. A loop is what lies between a label and a branch back to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_LABEL = re.compile(r"^(BB\d+):")
_BRANCH = re.compile(r"^s_c?branch\w*\s+(BB\d+)")
_MULTIPLY_ADD = re.compile(r"^v_(pk_)?(dual_)?(fma|fmac|mac|mad|dot\d?c?)(_mix)?_?\w*f(16|32)")
_DOT = re.compile(r"^v_dot4\w*_i32\w*")
_GLOBAL = re.compile(r"^(?:buffer|global|flat)_(load|store)_(\w+)")
_SCALAR_LOAD = re.compile(r"^s_(?:buffer_)?load_")
_SHARED = re.compile(r"^ds_(read|load|write|store)(2?)(?:st64)?_(?:2addr_)?(?:stride64_)?\w?(\d+)")
# The bytes of an access to global memory by the end of its name.
_BYTES = {
    "dword": 4, "dwordx2": 8, "dwordx3": 12, "dwordx4": 16, "b32": 4, "b64": 8, "b96": 12,
    "b128": 16, "ubyte": 1, "sbyte": 1, "ushort": 2, "sshort": 2, "u8": 1, "i8": 1, "u16": 2,
    "i16": 2, "short_d16": 2, "short_d16_hi": 2, "byte": 1, "short": 2, "format_x": 4,
}  # fmt: skip


@dataclass(frozen=True)
class InstructionCount:
    """What some instructions do, for each invocation. Bytes are those that an access names."""

    multiply_adds: int
    vector: int  # of the vector ALU; loads and stores are none
    global_loads: int
    global_bytes: int  # loaded
    stored_bytes: int  # to global memory
    scalar_loads: int
    shared_read_bytes: int
    shared_written_bytes: int
    barriers: int

    @property
    def share(self) -> float:
        """Multiply-adds as a share of all instructions of the vector ALU."""
        return self.multiply_adds / self.vector if self.vector else 0.0


@dataclass(frozen=True)
class MachineCode:
    """A shader: everything, its innermost loops, and what is in no loop at all."""

    whole: InstructionCount
    loops: tuple[InstructionCount, ...]
    outside: InstructionCount

    @property
    def main(self) -> InstructionCount:
        """The innermost loop with the most multiply-adds, or all of it where there is no loop."""
        return max(self.loops, key=lambda loop: loop.multiply_adds, default=self.whole)


def read_assembly(text: str) -> MachineCode:
    """The code of a shader as Mesa prints it."""
    lines = [line.partition(";")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    labels = {found[1]: place for place, line in enumerate(lines) if (found := _LABEL.match(line))}
    spans = set()
    for place, line in enumerate(lines):
        found = _BRANCH.match(line)
        if found and labels.get(found[1], place) < place:
            spans.add((labels[found[1]], place))
    looped = {place for begin, end in spans for place in range(begin, end + 1)}
    innermost = [span for span in sorted(spans) if not any(_holds(span, one) for one in spans)]
    return MachineCode(
        _body(lines),
        tuple(_body(lines[begin : end + 1]) for begin, end in innermost),
        _body(line for place, line in enumerate(lines) if place not in looped),
    )


def _holds(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return span != other and span[0] <= other[0] and other[1] <= span[1]


def _body(lines: Iterable[str]) -> InstructionCount:
    count: Counter[str] = Counter()
    for line in lines:
        name = line.split()[0]
        if name.startswith("v_"):
            count["vector"] += 1
            if _MULTIPLY_ADD.match(name):
                count["multiply_adds"] += 2 if name.startswith("v_pk_") or "dual" in name else 1
            elif _DOT.match(name):
                count["multiply_adds"] += 4
        elif found := _GLOBAL.match(name):
            size = _BYTES.get(found[2], 4)
            count["global_loads"] += found[1] == "load"
            count["global_bytes" if found[1] == "load" else "stored_bytes"] += size
        elif _SCALAR_LOAD.match(name):
            count["scalar_loads"] += 1
        elif found := _SHARED.match(name):
            size = int(found[3]) // 8 * (2 if found[2] else 1)
            is_read = found[1] in ("read", "load")
            count["shared_read_bytes" if is_read else "shared_written_bytes"] += size
        elif name == "s_barrier":
            count["barriers"] += 1
    return InstructionCount(**{name: count[name] for name in InstructionCount.__dataclass_fields__})
