"""Ingredients of known failures: found, and rewritten into something near that is valid."""

from __future__ import annotations

import random

import pytest

from harness import compat
from harness.case import module_text
from harness.ir import ingredients
from harness.oracles.known_issues import KNOWN_ISSUES
from harness.oracles.verify import verify
from harness.semantics import UndefinedBehaviour, Unsupported, compile_program
from harness.semantics.inputs import make_inputs
from harness.verdict import Kind
from seeds.generator import generate
from seeds.recipe import from_script
from tests.harness.oracles.known_programs import PROGRAMS, case_of

INGREDIENT = {issue.name: issue.ingredient for issue in KNOWN_ISSUES}
WITH_A_WAY_AROUND = [each for each in PROGRAMS if INGREDIENT[each[0]]]


@pytest.mark.parametrize(
    ("name", "script", "target", "seed"),
    WITH_A_WAY_AROUND,
    ids=[name for name, *_ in WITH_A_WAY_AROUND],
)
def test_a_program_of_a_known_issue_has_its_ingredient_and_passes_without_it(
    name: str, script: str, target: str, seed: int
) -> None:
    module = from_script(script)
    ingredient = INGREDIENT[name]
    same, had = ingredients.without(module, ())
    assert same is module and ingredient in had
    changed, left = ingredients.without(module, [ingredient])
    assert ingredient not in left
    assert ingredient not in ingredients.without(changed, ())[1]
    case = case_of(script, target, seed).with_module(changed)
    assert verify(case).kind is Kind.OK


def test_programs_without_any_are_well_formed_and_nearly_all_valid() -> None:
    valid = 0
    for seed in range(100):
        module = generate(random.Random(seed))
        changed, left = ingredients.without(module, ingredients.NAMES)
        assert left == ()
        assert compat.why_ill_formed(changed) is None
        valid += _is_valid(changed, seed)
    assert valid >= 90


def _is_valid(module: object, seed: int) -> bool:
    try:
        compile_program(module).run(make_inputs(module["main"], seed))  # type: ignore[index]
    except (Unsupported, UndefinedBehaviour):
        return False
    return True


def test_a_program_that_has_none_is_left_as_it_is() -> None:
    module = from_script(
        """
        def main(A: T.Buffer((4,), "int32"), B: T.Buffer((4,), "int32")):
            for i in range(4):
                B[i] = A[i] // 3 + T.max(A[i], 2)
        """
    )
    changed, had = ingredients.without(module, ingredients.NAMES)
    assert changed is module and had == ()
    assert module_text(changed) == module_text(module)
