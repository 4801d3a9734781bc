"""WebAssembly's instructions, by what they do and the type that they do it to.

Scalar types are i32, i64, f32 and f64, lanes of vectors also i8 and i16 (core specification 2.0,
chapter 5.4; relaxed SIMD, "Binary format").
"""

from __future__ import annotations

from harness.wasm import binary

BLOCK, LOOP, IF, ELSE, END, BR, BR_IF, CALL = 0x02, 0x03, 0x04, 0x05, 0x0B, 0x0C, 0x0D, 0x10
LOCAL_GET, LOCAL_SET, LOCAL_TEE, GLOBAL_GET, GLOBAL_SET = 0x20, 0x21, 0x22, 0x23, 0x24
NO_RESULT = 0x40
SELECT = b"\x1b"
TYPES = {"i32": 0x7F, "i64": 0x7E, "f32": 0x7D, "f64": 0x7C, "v128": 0x7B}
LANE_BYTES = {"i8": 1, "i16": 2, "i32": 4, "f32": 4, "i64": 8, "f64": 8}


def simd(number: int) -> bytes:
    return b"\xfd" + binary.unsigned(number)


def _numbered(first: int, names: str) -> dict[str, int]:
    """So many names of instructions, one after another; "-" stands for one that isn't used."""
    return {name: first + place for place, name in enumerate(names.split()) if name != "-"}


_INTEGER_COMPARISONS = "eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"
_FLOAT_COMPARISONS = "eq ne lt gt le ge"
COMPARISONS = frozenset(f"{_INTEGER_COMPARISONS} {_FLOAT_COMPARISONS}".split())
_INTEGER = "clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u"
_FLOAT = "abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign"

SCALAR: dict[str, dict[str, bytes]] = {
    kind: {
        name: bytes([code])
        for first, names in parts
        for name, code in _numbered(first, names).items()
    }
    for kind, parts in {
        "i32": ((0x45, _INTEGER_COMPARISONS), (0x67, _INTEGER)),
        "i64": ((0x50, _INTEGER_COMPARISONS), (0x79, _INTEGER)),
        "f32": ((0x5B, _FLOAT_COMPARISONS), (0x8B, _FLOAT)),
        "f64": ((0x61, _FLOAT_COMPARISONS), (0x99, _FLOAT)),
    }.items()
}

# From one scalar type to another; "_s" and "_u" say whether the integer has a sign. Floats become
# integers with saturation, so that nothing traps.
CONVERSIONS: dict[tuple[str, str], bytes] = {
    ("i64", "i32"): b"\xa7", ("i32_s", "i64"): b"\xac", ("i32_u", "i64"): b"\xad",
    ("i32_s", "f32"): b"\xb2", ("i32_u", "f32"): b"\xb3", ("i64_s", "f32"): b"\xb4",
    ("i64_u", "f32"): b"\xb5", ("f64", "f32"): b"\xb6", ("i32_s", "f64"): b"\xb7",
    ("i32_u", "f64"): b"\xb8", ("i64_s", "f64"): b"\xb9", ("i64_u", "f64"): b"\xba",
    ("f32", "f64"): b"\xbb",
    ("f32", "i32_s"): b"\xfc\x00", ("f32", "i32_u"): b"\xfc\x01", ("f64", "i32_s"): b"\xfc\x02",
    ("f64", "i32_u"): b"\xfc\x03", ("f32", "i64_s"): b"\xfc\x04", ("f32", "i64_u"): b"\xfc\x05",
    ("f64", "i64_s"): b"\xfc\x06", ("f64", "i64_u"): b"\xfc\x07",
}  # fmt: skip
REINTERPRETATIONS = {
    ("f32", "i32"): b"\xbc", ("f64", "i64"): b"\xbd",
    ("i32", "f32"): b"\xbe", ("i64", "f64"): b"\xbf",
}  # fmt: skip
SIGN_EXTENSIONS = {8: b"\xc0", 16: b"\xc1"}  # of an i32

# The opcode of a scalar load by its type, bits and sign, and of a store by type and bits.
LOADS = {
    ("i32", 32): 0x28, ("i64", 64): 0x29, ("f32", 32): 0x2A, ("f64", 64): 0x2B,
    ("i8_s", 8): 0x2C, ("i8_u", 8): 0x2D, ("i16_s", 16): 0x2E, ("i16_u", 16): 0x2F,
}  # fmt: skip
STORES = {"i32": 0x36, "i64": 0x37, "f32": 0x38, "f64": 0x39, "i8": 0x3A, "i16": 0x3B}

_LANES_OF_INTEGERS = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"
VECTOR: dict[str, dict[str, bytes]] = {
    lane: {name: simd(code) for name, code in table.items()}
    for lane, table in {
        "i8": _numbered(35, _LANES_OF_INTEGERS)
        | {"abs": 96, "neg": 97, "popcnt": 98, "shl": 107, "shr_s": 108, "shr_u": 109, "add": 110,
           "sub": 113, "min_s": 118, "min_u": 119, "max_s": 120, "max_u": 121},
        "i16": _numbered(45, _LANES_OF_INTEGERS)
        | {"abs": 128, "neg": 129, "shl": 139, "shr_s": 140, "shr_u": 141, "add": 142, "sub": 145,
           "mul": 149, "min_s": 150, "min_u": 151, "max_s": 152, "max_u": 153},
        "i32": _numbered(55, _LANES_OF_INTEGERS)
        | {"abs": 160, "neg": 161, "shl": 171, "shr_s": 172, "shr_u": 173, "add": 174, "sub": 177,
           "mul": 181, "min_s": 182, "min_u": 183, "max_s": 184, "max_u": 185},
        "i64": _numbered(214, "eq ne lt_s gt_s le_s ge_s")
        | {"abs": 192, "neg": 193, "shl": 203, "shr_s": 204, "shr_u": 205, "add": 206, "sub": 209,
           "mul": 213},
        "f32": _numbered(65, _FLOAT_COMPARISONS)
        | {"ceil": 103, "floor": 104, "trunc": 105, "nearest": 106, "abs": 224, "neg": 225,
           "sqrt": 227, "add": 228, "sub": 229, "mul": 230, "div": 231, "pmin": 234, "pmax": 235,
           "relaxed_madd": 0x105},
        "f64": _numbered(71, _FLOAT_COMPARISONS)
        | {"ceil": 116, "floor": 117, "trunc": 122, "nearest": 148, "abs": 236, "neg": 237,
           "sqrt": 239, "add": 240, "sub": 241, "mul": 242, "div": 243, "pmin": 246, "pmax": 247,
           "relaxed_madd": 0x107},
    }.items()
}  # fmt: skip
V128_NOT, V128_AND, V128_OR, V128_XOR, V128_BITSELECT = map(simd, (77, 78, 80, 81, 82))
BITWISE = {"and": V128_AND, "or": V128_OR, "xor": V128_XOR}
V128_LOAD, V128_STORE, V128_CONST, SHUFFLE = 0, 11, 12, 13
SPLATS = {
    "i8": simd(15), "i16": simd(16), "i32": simd(17), "i64": simd(18), "f32": simd(19),
    "f64": simd(20),
}  # fmt: skip
# By the number of bytes of a lane.
LOAD_SPLAT = {1: 7, 2: 8, 4: 9, 8: 10}
LOAD_ZERO = {4: 92, 8: 93}
LOAD_LANE = {1: 84, 2: 85, 4: 86, 8: 87}
STORE_LANE = {1: 88, 2: 89, 4: 90, 8: 91}
EXTRACT_LANE = {
    "i8_s": 21,
    "i8_u": 22,
    "i16_s": 24,
    "i16_u": 25,
    "i32": 27,
    "i64": 29,
    "f32": 31,
    "f64": 33,
}
REPLACE_LANE = {"i8": 23, "i16": 26, "i32": 28, "i64": 30, "f32": 32, "f64": 34}
# From lanes of a half, the low or the high one, to lanes of twice the bits.
EXTEND = {
    ("i8_s", "low"): 135, ("i8_s", "high"): 136, ("i8_u", "low"): 137, ("i8_u", "high"): 138,
    ("i16_s", "low"): 167, ("i16_s", "high"): 168, ("i16_u", "low"): 169, ("i16_u", "high"): 170,
    ("i32_s", "low"): 199, ("i32_s", "high"): 200, ("i32_u", "low"): 201, ("i32_u", "high"): 202,
}  # fmt: skip
CONVERT_LANES = {
    ("f32", "i32_s"): simd(248), ("f32", "i32_u"): simd(249),
    ("i32_s", "f32"): simd(250), ("i32_u", "f32"): simd(251),
}  # fmt: skip


def memory(opcode: int, offset: int, *, is_simd: bool = False, lane: int | None = None) -> bytes:
    """A load or store at a constant offset from an address; no alignment is promised."""
    start = simd(opcode) if is_simd else bytes([opcode])
    end = b"" if lane is None else bytes([lane])
    return start + b"\x00" + binary.unsigned(offset) + end
