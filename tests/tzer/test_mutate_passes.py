"""Mutators of pass sequences return sequences of known passes, legal ones where asked for."""

from __future__ import annotations

import random

import pytest

from harness.passes import CATALOGUE, draw_legal, draw_random, initial_states, is_legal, make_pass
from seeds.generator import generate
from tzer.mutate import PASS_MUTATORS, PassContext, PassMutator
from tzer.mutate.passes import LONGEST_MUTATED, Calls

SEEDS = range(60)


def context(seed: int, mode: str) -> tuple[Calls, PassContext]:
    """A sequence and a partner for some program, in this mode."""
    rng = random.Random(seed)
    states = initial_states(generate(rng))
    if mode == "any":
        return draw_random(rng, 6), PassContext(states, "any", draw_random(rng, 6))
    drawn = draw_legal(states, rng, 6)[:LONGEST_MUTATED]
    return drawn, PassContext(states, "legal", draw_legal(states, rng, 6))


def test_names_are_distinct() -> None:
    assert len({mutator.name for mutator in PASS_MUTATORS}) == len(PASS_MUTATORS)


@pytest.mark.parametrize("mutator", PASS_MUTATORS, ids=lambda mutator: mutator.name)
class TestEveryPassMutator:
    @pytest.mark.parametrize("mode", ["legal", "any"])
    def test_it_changes_sequences_into_sequences(self, mutator: PassMutator, mode: str) -> None:
        changed = 0
        for seed in SEEDS:
            calls, around = context(seed, mode)
            mutant = mutator.mutate(calls, random.Random(seed), around)
            changed += mutant != calls
            assert len(mutant) <= LONGEST_MUTATED
            assert all(call.name in CATALOGUE for call in mutant)
            for call in mutant:
                make_pass(call)
        assert changed > 0

    def test_legal_sequences_stay_legal(self, mutator: PassMutator) -> None:
        for seed in SEEDS:
            calls, around = context(seed, "legal")
            assert is_legal(around.states, calls)
            assert is_legal(around.states, mutator.mutate(calls, random.Random(seed), around))

    def test_the_same_seed_gives_the_same_sequence(self, mutator: PassMutator) -> None:
        for seed in SEEDS:
            calls, around = context(seed, "legal")
            first = mutator.mutate(calls, random.Random(seed), around)
            assert first == mutator.mutate(calls, random.Random(seed), around)

    def test_it_leaves_an_empty_sequence_in_peace(self, mutator: PassMutator) -> None:
        _, around = context(0, "legal")
        assert isinstance(mutator.mutate((), random.Random(0), around), tuple)
