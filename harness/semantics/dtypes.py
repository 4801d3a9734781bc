"""DType: the properties of a TVM dtype that the interpreter needs, parsed once from its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from harness.semantics.errors import Unsupported

_NAME = re.compile(r"(bool|bfloat|float|uint|int)(\d*)(_e\dm\d(?:fn)?)?(?:x(\d+))?")
# Bits of the significand (with the hidden one), smallest normal exponent, largest finite value.
_FLOATS = {
    "float16": (11, -14, 65504.0),
    "bfloat16": (8, -126, float.fromhex("0x1.fep127")),
    "float32": (24, -126, float.fromhex("0x1.fffffep127")),
    "float8_e4m3fn": (4, -6, 448.0),
    "float8_e5m2": (3, -14, 57344.0),
    "float64": (53, -1022, float.fromhex("0x1.fffffffffffffp1023")),
}
_MEMORY_FORMATS = {
    "bool": "?", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i",
    "uint32": "I", "int64": "q", "uint64": "Q", "float16": "H", "bfloat16": "H",
    "float32": "f", "float64": "d", "float8_e4m3fn": "B", "float8_e5m2": "B", "int4": "b",
    "uint4": "B",
}  # fmt: skip


# Floats that Python's struct doesn't have: ml_dtypes converts their bit patterns.
NARROW_FLOATS = ("float8_e4m3fn", "float8_e5m2")
SUB_BYTE = ("int4", "uint4")


@dataclass(frozen=True)
class DType:
    """A dtype: kind is "bool", "int", "uint" or "float" (bfloat16 is a float)."""

    kind: str
    bits: int
    lanes: int
    scalar: str  # the name of the element type, e.g. "float32"

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def low(self) -> int:
        """The smallest value of an integer dtype."""
        return -(1 << (self.bits - 1)) if self.kind == "int" else 0

    @property
    def high(self) -> int:
        """The largest value of an integer dtype."""
        if self.kind == "bool":
            return 1
        return (1 << (self.bits - (self.kind == "int"))) - 1

    @property
    def epsilon(self) -> float:
        """Half the distance from 1 to the next value: the relative error of one rounding."""
        return 2.0 ** -_FLOATS[self.scalar][0]

    @property
    def precision(self) -> int:
        return _FLOATS[self.scalar][0]

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** _FLOATS[self.scalar][1]

    @property
    def largest(self) -> float:
        return _FLOATS[self.scalar][2]

    @property
    def bytes(self) -> int:
        return max(1, self.bits // 8)

    @property
    def memory_format(self) -> str:
        """The memoryview format of an element."""
        return _MEMORY_FORMATS[self.scalar]


@cache
def parse(name: str) -> DType:
    """The DType of a TVM dtype name such as "int32" or "float16x4".

    Raises:
        Unsupported: a dtype that is not modelled (handles, scalable vectors, most float8).
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise Unsupported(f"dtype {name}")
    kind, bits, lanes = match.group(1), match.group(2), int(match.group(4) or 1)
    scalar = kind + bits + (match.group(3) or "") if kind != "bool" else "bool"
    if scalar not in _MEMORY_FORMATS:
        # int1 and similar: the targets disagree about the memory layout
        raise Unsupported(f"dtype {name}")
    return DType("float" if kind == "bfloat" else kind, int(bits or 8), lanes, scalar)
