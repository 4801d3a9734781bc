"""What TVM is known to get wrong is within reach of the mutators, and is found by its kind."""

from __future__ import annotations

import random
from typing import Any

import pytest

from harness import compat
from harness.case import Case, module_text
from harness.ir import ingredients
from harness.oracles.known_issues import known_issue
from harness.oracles.verify import verify
from harness.passes import default_order
from harness.verdict import Kind
from seeds.generator import generate
from seeds.recipe import from_script
from tzer.mutate import IR_MUTATORS

MUTATORS = {mutator.name: mutator for mutator in IR_MUTATORS}
DRAWS = 400

SCALAR = """
def main(A: T.Buffer((8,), "int32")):
    for i in range(8):
        A[i] = i
"""
BUFFERED = """
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4,), "float32")):
    for i in range(4):
        c = T.alloc_buffer((8,), "float32")
        for j in range(8):
            c[j] = A[i, j]
        B[i] = 0.0
        for j in range(8):
            B[i] = B[i] + c[j]
"""
BYTES = """
def main(A: T.Buffer((8,), "uint8"), B: T.Buffer((8,), "uint8")):
    for i in range(8):
        B[i] = A[i]
"""
INDEXED = """
def main(A: T.Buffer((2, 3), "int32"), B: T.Buffer((8,), "int32")):
    for i in range(8):
        B[i] = A[1, i % 3]
"""

# (the mutator, the program that it starts from, target, what the case becomes)
WITHIN_REACH = (
    ("replace-expression", SCALAR, "llvm", "literal-out-of-range", Kind.INTERNAL_ERROR),
    ("double-buffer", BUFFERED, "llvm", "double-buffer-of-compacted", Kind.INTERNAL_ERROR),
    ("replace-expression", BYTES, "c", "sub-word-promotion", Kind.WRONG_RESULT),
    ("rewrite-index", INDEXED, "llvm", "shifted-modulus", Kind.WRONG_RESULT),
)


@pytest.mark.parametrize(
    ("mutator", "script", "target", "name", "kind"),
    WITHIN_REACH,
    ids=[f"{name}-by-{mutator}" for mutator, _, _, name, _ in WITHIN_REACH],
)
def test_a_mutator_comes_by_it(
    mutator: str, script: str, target: str, name: str, kind: Kind
) -> None:
    module, order = from_script(script), tuple(default_order(target))
    for draw in range(DRAWS):
        mutant = MUTATORS[mutator].mutate(module, random.Random(draw))
        if mutant is None or not _may_be(mutant, name):
            continue
        verdict = verify(Case(module_text(mutant), order, target, input_seed=1))
        issue = known_issue(verdict.kind, verdict.signature)
        if issue is not None and issue.name == name:
            assert verdict.kind is kind
            return
    raise AssertionError(f"not within {DRAWS} draws")


def _may_be(module: Any, name: str) -> bool:
    """Whether the mutant is worth a verdict."""
    if name == "literal-out-of-range":
        products = (n for n in compat.nodes(module["main"].body) if compat.type_key(n) == "Mul")
        return any(compat.type_key(each.a) == "Sub" and _is_large(each.b) for each in products)
    return name not in ingredients.NAMES or name in ingredients.without(module, ())[1]


def _is_large(expr: Any) -> bool:
    return (ingredients.number_of(expr) or 0) > 1 << 27


def test_generated_programs_have_what_schedules_make_of_indices() -> None:
    seen: set[str] = set()
    for seed in range(60):
        seen.update(ingredients.without(generate(random.Random(seed)), ())[1])
    assert {"shifted-modulus", "reversed-modulus", "sub-word-promotion"} <= seen
