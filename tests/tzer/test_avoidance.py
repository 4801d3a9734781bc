"""What ends at known failures is drawn seldom, and what doesn't as often as before."""

from __future__ import annotations

import random

from harness.oracles.known_issues import KNOWN_ISSUES, KnownIssue
from tzer.avoidance import ALLOWED, Avoidance

RNG_SEED = 5
DRAWS = 400


def issue_of(ingredient: str) -> KnownIssue:
    return next(issue for issue in KNOWN_ISSUES if issue.ingredient == ingredient)


def kept(avoidance: Avoidance, name: str) -> float:
    """The share of the draws in which the ingredient is not rewritten."""
    rng = random.Random(RNG_SEED)
    return sum(name not in avoidance.draw(rng) for _ in range(DRAWS)) / DRAWS


def test_an_ingredient_is_kept_so_often_that_few_mutants_fail() -> None:
    avoidance = Avoidance(["cast-to-bool", "nested-bounds", "constant-let"])
    for number in range(200):
        avoidance.learn(["cast-to-bool"], issue_of("cast-to-bool"))
        avoidance.learn(["nested-bounds"], issue_of("nested-bounds") if number % 5 == 0 else None)
        avoidance.learn(["constant-let"], None)
    assert kept(avoidance, "cast-to-bool") < 2 * ALLOWED
    assert ALLOWED * 3 < kept(avoidance, "nested-bounds") < ALLOWED * 8
    assert kept(avoidance, "constant-let") == 1


def test_only_the_ingredient_of_the_failure_is_to_blame() -> None:
    avoidance = Avoidance(["cast-to-bool", "constant-let"])
    for _ in range(100):
        avoidance.learn(["cast-to-bool", "constant-let"], issue_of("cast-to-bool"))
    assert kept(avoidance, "constant-let") > 0.9


def test_what_was_learned_survives_as_json() -> None:
    avoidance, other = Avoidance(["cast-to-bool"]), Avoidance(["cast-to-bool", "nested-bounds"])
    avoidance.learn(["cast-to-bool", "unknown"], None)
    other.restore(avoidance.state() | {"gone": [1, 2]})
    assert other.state()["cast-to-bool"] == avoidance.state()["cast-to-bool"] == [0.0, 1.0]
