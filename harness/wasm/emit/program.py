"""A lowered PrimFunc as a list of plain nodes: each a kind and fields that are numbers of others.

Asking TVM for one field of one object costs as much as emitting a few instructions, so the function
is taken over whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from harness import compat


class NotCovered(Exception):
    """The emitter doesn't cover a program; the message is the name of what it doesn't."""


@dataclass(frozen=True)
class TirType:
    """A type of TIR: "int", "uint", "float", "bfloat" or "bool", its bits, and lanes."""

    code: str
    bits: int
    lanes: int

    @property
    def is_float(self) -> bool:
        return self.code == "float"

    @property
    def is_signed(self) -> bool:
        return self.code == "int"

    @property
    def lane(self) -> str:
        """The type of a lane, and of an element in memory: i8, i16, i32, i64, f32 or f64."""
        if self.code == "bool":
            return "i8"
        return ("f" if self.is_float else "i") + str(self.bits)

    @property
    def type(self) -> str:
        """WebAssembly's type of a scalar of it."""
        return {"i8": "i32", "i16": "i32"}.get(self.lane, self.lane)

    @property
    def signed_lane(self) -> str:
        """The lane with its sign, where instructions differ by it: "i8_u", but "f32"."""
        return self.lane if self.is_float else f"{self.lane}_{'s' if self.is_signed else 'u'}"

    @property
    def bytes(self) -> int:
        return max(self.bits // 8, 1)

    @property
    def element(self) -> TirType:
        return dtype_of(f"{self.code}{'' if self.code == 'bool' else self.bits}")


COVERED = {
    ("bool", 8), ("float", 32), ("float", 64),
    *((code, bits) for code in ("int", "uint") for bits in (8, 16, 32, 64)),
}  # fmt: skip


@lru_cache(4096)
def dtype_of(text: str) -> TirType:
    """Raises: NotCovered, for a type that the emitter doesn't compute with."""
    scalar, _, lanes = text.partition("x")
    code = scalar.rstrip("0123456789")
    bits = int(scalar[len(code) :] or (8 if code == "bool" else 0))
    if (code, 8 if code == "bool" else bits) not in COVERED or not (lanes or "1").isdigit():
        raise NotCovered(f"the type {text}")
    return TirType(code, 8 if code == "bool" else bits, int(lanes or 1))


class PlainProgram:
    """A function's nodes by their number: `kinds` and `fields`."""

    def __init__(self, function: Any) -> None:
        self.kinds, self.fields, root = compat.plain_nodes(function)
        self.function = self.fields[root]

    def dtype(self, number: int) -> TirType:
        """The type of an expression or of a buffer's elements.

        Raises:
            NotCovered: it is none that the emitter computes with.
        """
        ty = self.fields[self.fields[number]["ty"]]
        if "shape" in ty:  # a buffer's
            ty = self.fields[ty["dtype"]]
        if "dtype" not in ty:
            raise NotCovered("an expression without a scalar type")
        return dtype_of(ty["dtype"])

    def array(self, number: int) -> list[int]:
        items: list[int] = self.fields[number]
        return items

    def name(self, number: int) -> str:
        """The name of a variable or buffer, for messages."""
        return str(self.fields[self.fields[number]["name"]])

    def constant(self, number: int) -> int | None:
        """The value of an integer constant, None for anything else."""
        return self.fields[number]["value"] if self.kinds[number] == "IntImm" else None

    def buffer_elements(self, buffer: int) -> int:
        """Raises: NotCovered, if the shape isn't constant."""
        total = 1
        for extent in self.array(self.fields[self.fields[buffer]["ty"]]["shape"]):
            value = self.constant(extent)
            if value is None:
                raise NotCovered("a buffer of a size that is not constant")
            total *= value
        return total
