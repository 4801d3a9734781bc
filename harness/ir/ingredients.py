"""Ingredients: constructs that are valid, but that TVM is known to fail on, and ways around them.

One shallow failure hides whatever lies behind it. So the fuzzer learns which ingredients end at
known failures (`tzer/avoidance.py`), and has them rewritten in most mutants (`tzer/job.py`) into
something near that TVM takes. A rewritten program is another one, and need not compute the same.
`harness/oracles/known_issues.py` lists the failures themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.intervals import base_dtype, is_float, lanes_of, limits
from harness.ir.loop_kinds import SERIAL, VECTORIZED

COMPARISONS = ("EQ", "NE", "LT", "LE", "GT", "GE")
WRAPPING = ("Add", "Sub", "Mul", "LShift", "BitwiseNot")
WRAPPING_CALLS = ("shift_left", "bitwise_not")
DIVISIONS = ("Div", "Mod", "FloorDiv", "FloorMod")


@dataclass(frozen=True)
class Ingredient:
    """A construct: the kinds of nodes that can be one, and what to put in its place.

    `around` returns the replacement of a node, whose children are already replaced, or None if the
    node has nothing of the construct.
    """

    name: str
    kinds: tuple[str, ...]
    around: Callable[[Any], Any | None]


def without(module: Any, names: Collection[str]) -> tuple[Any, tuple[str, ...]]:
    """The module with these ingredients rewritten, and the names of those that it still has.

    It is the module itself where it has none of them.
    """
    found: set[str] = set()
    changed = _changed(module, NAMES, names, found)
    return changed, tuple(sorted(found.difference(names)))


# By which ingredients a pass is known to change a program's meaning; the analyzer is in many.
SILENT: dict[str, tuple[str, ...]] = {
    "s_tir.CanonicalizeLoop": ("nested-bounds",),
    "tirx.StorageRewrite": ("repeated-store",),
    "tirx.VectorizeLoop": ("definition-in-vector-loop",),
    "tirx.BF16ComputeLegalize": ("bfloat16-let",),
    "tirx.BF16StorageLegalize": ("bfloat16-let",),
    "code generation": ("bfloat16-let",),
    "code generation for c": ("bfloat16-let", "sub-word-promotion"),
}
OF_THE_ANALYZER = ("shifted-modulus", "reversed-modulus")


def suspects(module: Any, pass_name: str, target: str = "") -> tuple[str, ...]:
    """The ingredients of the module by which this pass is known to change what it means.

    `pass_name` may be "code generation", which depends on the target.
    """
    found: set[str] = set()
    known = SILENT.get(f"{pass_name} for {target}", SILENT.get(pass_name, OF_THE_ANALYZER))
    _changed(module, known, (), found)
    return tuple(sorted(found))


def _changed(
    module: Any, looked_for: Collection[str], rewritten: Collection[str], found: set[str]
) -> Any:
    """The module with some ingredients rewritten; notes the names of all that are looked for."""
    active: dict[str, list[Ingredient]] = {}
    for ingredient in INGREDIENTS:
        for kind in ingredient.kinds if ingredient.name in looked_for else ():
            active.setdefault(kind, []).append(ingredient)

    def change(node: Any) -> Any:
        key = compat.type_key(node)
        for ingredient in active.get(key, ()):
            if compat.type_key(node) != key:
                break  # it has become another kind of node
            new = ingredient.around(node)
            if new is not None:
                found.add(ingredient.name)
                node = new if ingredient.name in rewritten else node
        return node

    for var, function in module.functions.items():
        if isinstance(function, tirx.PrimFunc):
            body = rewrite.rewrite(function.body, change)
            if not body.same_as(function.body):
                module = rewrite.with_function(module, var, function.with_body(body))
    return module


def is_constant(expr: Any) -> bool:
    """Whether the expression has the same value wherever it is evaluated."""
    return not any(
        isinstance(node, compat.Var) or compat.type_key(node) == "BufferLoad"
        for node in compat.nodes(expr)
    )


def number_of(expr: Any) -> int | float | None:
    """The value of a constant, or of all lanes of a broadcast constant."""
    if compat.type_key(expr) == "Broadcast":
        expr = expr.value
    return expr.value if isinstance(expr, compat.IntImm | compat.FloatImm) else None


def constant_like(expr: Any, number: int) -> Any:
    """The constant of the expression's dtype, in all its lanes."""
    dtype = compat.dtype_of(expr)
    base, lanes = base_dtype(dtype), lanes_of(dtype)
    node = tirx.FloatImm(base, number) if is_float(base) else tirx.IntImm(base, number)
    return node if lanes == 1 else tirx.Broadcast(node, lanes)


def _of_dtype(expr: Any, base: str) -> str:
    lanes = lanes_of(compat.dtype_of(expr))
    return base if lanes == 1 else f"{base}x{lanes}"


def _float_division_by_zero(node: Any) -> Any | None:
    """A float divided by a constant, which may be zero once it is folded."""
    if not is_float(compat.dtype_of(node)) or not is_constant(node.b) or number_of(node.b):
        return None
    return rewrite.with_fields(node, b=constant_like(node.b, 2))


def _cast_to_bool(node: Any) -> Any | None:
    """A conversion to bool, whose folding takes the number itself for the truth value."""
    value = node.value
    if base_dtype(compat.dtype_of(node)) != "bool":
        return None
    if base_dtype(compat.dtype_of(value)) == "bool":
        return None
    return tirx.NE(value, constant_like(value, 0))


def _bfloat16_constant(node: Any) -> Any | None:
    """A conversion of a bfloat16 constant, on which LLVM's code generator crashes."""
    value = node.value
    if base_dtype(compat.dtype_of(value)) != "bfloat16" or not is_constant(value):
        return None
    two = constant_like(tirx.Cast(_of_dtype(value, "float32"), value), 2)
    return tirx.Cast(compat.dtype_of(node), two)


def _comparison_of_bools(node: Any) -> Any | None:
    """A comparison of bools, which becomes one of floats in LLVM."""
    if base_dtype(compat.dtype_of(node.a)) != "bool":
        return None
    dtype = _of_dtype(node.a, "int32")
    return type(node)(tirx.Cast(dtype, node.a), tirx.Cast(dtype, node.b))


def _arithmetic_of_bools(node: Any) -> Any | None:
    """A product or an extreme of bools, which LLVM's code generator lacks."""
    if base_dtype(compat.dtype_of(node)) != "bool":
        return None
    return (tirx.Or if compat.type_key(node) == "Max" else tirx.And)(node.a, node.b)


def _comparison_of_unsigned_constants(node: Any) -> Any | None:
    """A comparison of unsigned constants, whose difference is folded."""
    if not compat.dtype_of(node.a).startswith("uint"):
        return None
    if not (is_constant(node.a) and is_constant(node.b)):
        return None
    dtype = _of_dtype(node.a, "int64")
    return type(node)(tirx.Cast(dtype, node.a), tirx.Cast(dtype, node.b))


def _extreme_constant(node: Any) -> Any | None:
    """An integer near the ends of its dtype, on which the analyzer's own literals overflow."""
    return _moderate(node, 1)


def _extreme_factor(node: Any) -> Any | None:
    """A product with an integer that has few bits to spare."""
    operands = {name: _moderate(getattr(node, name), 4) for name in ("a", "b")}
    changes = {name: operand for name, operand in operands.items() if operand is not None}
    return rewrite.with_fields(node, **changes) if changes else None


def _moderate(expr: Any, spare: int) -> Any | None:
    """The expression, if it is a constant with less spare bits, made small."""
    number, base = number_of(expr), base_dtype(compat.dtype_of(expr))
    if number is None or not base.startswith("int"):
        return None
    low, high = limits(base)
    if low >> spare <= number <= high >> spare:
        return None
    # Sums and products with it stay far from the ends.
    small = min(1000 + int(number) % 1000, high >> 3)
    return constant_like(expr, small if number > 0 else -small)


def _negative_divisor(node: Any) -> Any | None:
    """A constant's floored division by a negative constant, which is lowered to a `let`."""
    dtype = compat.dtype_of(node)
    if not base_dtype(dtype).startswith("int") or not (is_constant(node.a) and is_constant(node.b)):
        return None
    number = number_of(node.b)
    if number is not None and number > 0:
        return None
    positive = 7 if number is None else min(max(-int(number), 2), limits(dtype)[1])
    return rewrite.with_fields(node, b=constant_like(node.b, positive))


def _constant_let(node: Any) -> Any | None:
    """A `let` of a constant expression, whose folded value the analyzer takes for another one."""
    return (
        rewrite.substitute(node.body, {node.var: node.value}) if is_constant(node.value) else None
    )


def _allocation_in_while(node: Any) -> Any | None:
    """A buffer that is allocated in the body of a while loop, and freed after the loop."""
    if compat.type_key(node.body) != "SeqStmt":
        return None
    parts = list(node.body.seq)
    allocated = [part for part in parts if compat.type_key(part) == "AllocBuffer"]
    if not allocated:
        return None
    rest = [part for part in parts if compat.type_key(part) != "AllocBuffer"]
    return rewrite.sequence([*allocated, tirx.While(node.condition, rewrite.sequence(rest))])


def _nested_sequence(node: Any) -> Any | None:
    """What `_allocation_in_while` leaves in a sequence."""
    if not any(compat.type_key(part) == "SeqStmt" for part in node.seq):
        return None
    return rewrite.sequence(node.seq)


def _definition_in_vector_loop(node: Any) -> Any | None:
    """A variable, branch or buffer inside a vectorized loop, which becomes a serial one."""
    inner = ("Bind", "Let", "IfThenElse", "AllocBuffer")
    if int(node.kind) != VECTORIZED:
        return None
    if not any(compat.type_key(below) in inner for below in compat.nodes(node.body)):
        return None
    return rewrite.with_fields(node, kind=SERIAL)


def _repeated_store(node: Any) -> Any | None:
    """A statement with a store that stands twice in one sequence."""
    kept: list[Any] = []
    for part in node.seq:
        if not any(_stores_the_same(part, other) for other in kept):
            kept.append(part)
    return None if len(kept) == len(node.seq) else rewrite.sequence(kept)


def _idle_loop(node: Any) -> Any | None:
    """A loop that stores the same in each iteration, which may be unrolled."""
    if number_of(node.extent) in (None, 0, 1):
        return None
    stores = [each for each in compat.nodes(node.body) if compat.type_key(each) == "BufferStore"]
    loads = [each for each in compat.nodes(node.body) if compat.type_key(each) == "BufferLoad"]
    written = {hash(store.buffer) for store in stores}
    if not stores or any(hash(compat.load_buffer(load)) in written for load in loads):
        return None
    if any(node.loop_var.same_as(each) for each in compat.nodes(node.body)):
        return None
    return rewrite.with_fields(node, extent=tirx.IntImm(compat.dtype_of(node.extent), 1))


def _stores_the_same(part: Any, other: Any) -> bool:
    if not tvm_ffi.structural_equal(part, other):
        return False
    # It takes different buffers of one type for the same.
    stores = [[n.buffer for n in compat.nodes(x) if compat.type_key(n) == "BufferStore"]
              for x in (part, other)]  # fmt: skip
    pairs = list(zip(*stores, strict=True))
    return bool(pairs) and all(left.same_as(right) for left, right in pairs)


def _bfloat16_let(node: Any) -> Any | None:
    """A variable that is bound to what was converted from bfloat16."""
    converted = any(
        compat.type_key(below) == "Cast" and base_dtype(compat.dtype_of(below.value)) == "bfloat16"
        for below in compat.nodes(node.value)
    )
    if not converted:
        return None
    if compat.type_key(node) == "Let":
        return rewrite.substitute(node.body, {node.var: node.value})
    return tirx.Bind(node.var, constant_like(node.value, 1))


def _shifted_modulus(node: Any) -> Any | None:
    """(x % n + c) // d, whose wrap the analyzer loses in some places."""
    dividend = node.a
    if compat.type_key(dividend) not in ("Add", "Sub") or number_of(dividend.b) is None:
        return None
    modulus = dividend.a
    return tirx.FloorDiv(modulus, node.b) if compat.type_key(modulus) == "FloorMod" else None


def _reversed_modulus(node: Any) -> Any | None:
    """(c - x) % n or (c - x) // n, where the iterator has a negative stride."""
    dividend = node.a
    if compat.type_key(dividend) != "Sub" or is_constant(dividend.b):
        return None
    return type(node)(dividend.b, node.b)


def _sub_word_promotion(node: Any) -> Any | None:
    """A sum, product, complement or shift of unsigned 8 or 16 bits that may wrap."""
    if base_dtype(compat.dtype_of(node)) not in ("uint8", "uint16"):
        return None
    if compat.type_key(node) == "Call" and compat.call_name(node) not in WRAPPING_CALLS:
        return None
    return compat.operands(node)[0]


def _nested_bounds(node: Any) -> Any | None:
    """A loop with another start or step than 0 and 1, whose variable bounds a loop inside it."""
    step = 1 if node.step is None else number_of(node.step)
    if step is None or (step == 1 and number_of(node.min) == 0):
        return None
    bounds = [
        bound
        for below in compat.nodes(node.body)
        if compat.type_key(below) == "For"
        for bound in (below.min, below.extent)
    ]
    if not any(node.loop_var.same_as(used) for bound in bounds for used in compat.nodes(bound)):
        return None
    var = compat.Var(node.loop_var.name, node.loop_var.ty)
    dtype = compat.dtype_of(var)
    value = var if step == 1 else tirx.Mul(var, tirx.IntImm(dtype, step))
    body = rewrite.substitute(node.body, {node.loop_var: tirx.Add(value, node.min)})
    zero, extent = tirx.IntImm(dtype, 0), node.extent
    if step != 1:
        up = tirx.Add(extent, tirx.IntImm(compat.dtype_of(extent), step - 1))
        extent = tirx.FloorDiv(up, tirx.IntImm(compat.dtype_of(extent), step))
    return tirx.For(var, zero, extent, node.kind, body, node.thread_binding, node.annotations)


INGREDIENTS: tuple[Ingredient, ...] = (
    Ingredient("float-division-by-zero", DIVISIONS, _float_division_by_zero),
    Ingredient("cast-to-bool", ("Cast",), _cast_to_bool),
    Ingredient("bfloat16-constant", ("Cast",), _bfloat16_constant),
    Ingredient("comparison-of-bools", COMPARISONS, _comparison_of_bools),
    Ingredient("arithmetic-of-bools", ("Mul", "Min", "Max"), _arithmetic_of_bools),
    Ingredient("comparison-of-unsigned-constants", COMPARISONS, _comparison_of_unsigned_constants),
    Ingredient("extreme-constant", ("IntImm",), _extreme_constant),
    Ingredient("extreme-constant", ("Mul",), _extreme_factor),
    Ingredient("constant-let", ("FloorDiv", "FloorMod"), _negative_divisor),
    Ingredient("constant-let", ("Let",), _constant_let),
    Ingredient("allocation-in-while", ("While",), _allocation_in_while),
    Ingredient("allocation-in-while", ("SeqStmt",), _nested_sequence),
    Ingredient("definition-in-vector-loop", ("For",), _definition_in_vector_loop),
    Ingredient("nested-bounds", ("For",), _nested_bounds),
    Ingredient("repeated-store", ("SeqStmt",), _repeated_store),
    Ingredient("repeated-store", ("For",), _idle_loop),
    Ingredient("bfloat16-let", ("Let", "Bind"), _bfloat16_let),
    Ingredient("shifted-modulus", ("FloorDiv",), _shifted_modulus),
    Ingredient("reversed-modulus", ("FloorMod", "FloorDiv"), _reversed_modulus),
    Ingredient("sub-word-promotion", (*WRAPPING, "Call"), _sub_word_promotion),
)
NAMES: tuple[str, ...] = tuple(dict.fromkeys(ingredient.name for ingredient in INGREDIENTS))
