"""Steps on expressions: constants and operands for them, small numbers for large ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.ingredients import constant_like, number_of
from harness.ir.intervals import base_dtype, lanes_of
from tzer.mutate.base import is_plain
from tzer.triage.steps.edit import ModuleEdit, ShrinkStep, of_function, paths, replacing, size_of

MOST_OPERANDS = 8
SMALL = (0, 1, 2)


def _simpler(function: Any) -> Iterator[ModuleEdit]:
    """An expression replaced by a constant, or by one of its own parts; the largest ones first."""
    found = [(p, n) for p, n in paths(function) if _is_computed(n)]
    for path, node in sorted(found, key=lambda each: -size_of(each[1])):
        if _guards(function, path) and compat.type_key(node) not in ("And", "Or", "Not"):
            continue
        for number in () if _guards(function, path) else (0, 1):
            yield replacing(function, path, constant_like(node, number))
        for part in _parts(node):
            yield replacing(function, path, part)


def _guards(function: Any, path: rewrite.Path) -> bool:
    """Whether this decides how often statements run.

    A constant there leaves a program that never does, of which any meaning is true: loops get fewer
    iterations, and branches are left out, by steps of their own.
    """
    for length, (field, _) in enumerate(path):
        if field in ("extent", "predicate"):
            return True
        if field == "condition":
            around = compat.type_key(rewrite.at(function, path[:length]))
            # What is below the condition of a branch is free: a branch that is not needed for what
            # it asks has been left out before.
            return around == "While" or (around == "IfThenElse" and length == len(path) - 1)
    return False


def _is_computed(node: Any) -> bool:
    """Whether this is an expression of numbers that is not a constant already."""
    if not compat.has_scalar_type(node) or number_of(node) is not None:
        return False
    return is_plain(compat.dtype_of(node))


def _parts(node: Any) -> list[Any]:
    """The expressions below a node that have its dtype, small ones first."""
    dtype, found, waiting = compat.dtype_of(node), [], [node]
    while waiting:
        for _, child in rewrite.children(waiting.pop(0)):
            waiting.append(child)
            if _is_computed(child) and compat.dtype_of(child) == dtype:
                found.append(child)
    return sorted(found, key=size_of)[:MOST_OPERANDS]


def _plain_operators(function: Any) -> Iterator[ModuleEdit]:
    """A sum for another operator, so that programs of one cause become alike."""
    for path, node in paths(function):
        key = compat.type_key(node)
        if key in rewrite.BINARY and key != "Add":
            a, b = node.a, node.b
            if (
                compat.dtype_of(a) == compat.dtype_of(node)
                and base_dtype(compat.dtype_of(a)) != "bool"
            ):
                yield replacing(function, path, tirx.Add(a, b))


def _small_numbers(function: Any) -> Iterator[ModuleEdit]:
    for path, node in paths(function):
        if not isinstance(node, compat.IntImm | compat.FloatImm) or _guards(function, path):
            continue
        value = node.value
        if lanes_of(compat.dtype_of(node)) != 1 or base_dtype(compat.dtype_of(node)) == "bool":
            continue
        for number in _smaller(value):
            yield replacing(function, path, constant_like(node, number))


def _smaller(value: int | float) -> list[Any]:
    """Plainer numbers, the plainest first. What is no number, or infinite, is kept as it is."""
    if value != value or value in (float("inf"), float("-inf")):
        return []
    smaller: list[Any] = [small for small in SMALL if small < abs(value)]
    if value < 0:
        smaller += [-value, -1] if value < -1 else [-value]
    if isinstance(value, float):
        return smaller + ([float(int(value))] if value != int(value) and abs(value) > 1 else [])
    half = int(value / 2)
    return smaller + ([half] if abs(half) > SMALL[-1] else [])


EXPRESSIONS = (
    ShrinkStep("expressions", "an operand or a constant is less to read", of_function(_simpler)),
    ShrinkStep("operators", "an operator that matters is not a sum", of_function(_plain_operators)),
    ShrinkStep("numbers", "small ones", of_function(_small_numbers)),
)
