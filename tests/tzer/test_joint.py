"""The joint loop: what is mutated next, and how what came of it changes that."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.case import PassCall
from harness.oracles.known_issues import KNOWN_ISSUES
from tzer.joint import (
    GENERATE_SHARE,
    LEGAL_SHARE,
    Action,
    MutationPlan,
    ScheduledEntry,
    Scheduler,
    passes_that_matter,
)
from tzer.options import Strategy
from tzer.rarity import STORED_BLOCKS, Rarity
from tzer.rates import Ranking

IR = ("insert", "delete", "unroll")
PASSES = ("add", "crossover")


def blocks(*ids: int) -> np.ndarray:
    return np.array(ids, np.uint32)


def scheduler(
    strategy: Strategy = Strategy.JOINT, *, entries: int = 1, **options: Any
) -> Scheduler:
    made = Scheduler(random.Random(7), IR, PASSES, general=IR[:2], strategy=strategy, **options)
    for name in range(entries):
        made.add(ScheduledEntry(name), blocks(name, 100))
    return made


def mutations(made: Scheduler, number: int, found: bool = False) -> list[MutationPlan]:
    """The next plans that mutate an entry, each answered with the same result."""
    plans: list[MutationPlan] = []
    while len(plans) < number:
        plan = made.next()
        made.learn(plan, plan.mutators[0] if plan.mutators else "", found, 0.1)
        if plan.action in (Action.IR, Action.PASSES):
            plans.append(plan)
    return plans


def test_the_program_is_mutated_until_the_tolerance_then_the_passes_and_back() -> None:
    actions = [plan.action for plan in mutations(scheduler(tolerance=3), 8)]
    one_round = [Action.IR, Action.IR, Action.IR, Action.PASSES]
    assert actions == one_round * 2


def test_a_mutator_whose_mutants_end_at_known_issues_is_drawn_less() -> None:
    made = scheduler()
    issue = KNOWN_ISSUES[0]
    plan = MutationPlan(Action.IR, entry=0)
    for number in range(200):
        found = number % 4 == 0
        made.learn(plan, "insert", found, 0.1, known=issue)
        made.learn(plan, "delete", found, 0.1)
    first = [made.ir_mutators.draw(made.rng)[0] for _ in range(200)]
    assert first.count("delete") > 3 * first.count("insert")


def test_a_changed_program_avoids_what_fails_and_a_replayed_one_does_not() -> None:
    issue = next(issue for issue in KNOWN_ISSUES if issue.ingredient)
    made = Scheduler(random.Random(7), IR, PASSES, ingredients=[issue.ingredient, "harmless"])
    for _ in range(100):
        had = (issue.ingredient, "harmless")
        made.learn(MutationPlan(Action.GENERATE), "", False, 0.1, ingredients=had, known=issue)
    avoided = [made.next().avoid for _ in range(50)]
    assert sum(issue.ingredient in names for names in avoided) > 45
    assert sum("harmless" in names for names in avoided) < 10
    made.switches = Strategy.RANDOM_PASS.switches
    made.add(ScheduledEntry(0), blocks(1))
    assert made.next().avoid == ()


def test_new_coverage_starts_the_tolerance_again() -> None:
    made = scheduler(tolerance=3)
    mutations(made, 2)
    mutations(made, 1, found=True)
    assert [plan.action for plan in mutations(made, 4)] == [Action.IR] * 3 + [Action.PASSES]


@pytest.mark.parametrize(
    ("strategy", "actions"),
    [
        (Strategy.JOINT, {Action.IR, Action.PASSES, Action.GENERATE, Action.DRAW_PASSES}),
        (Strategy.RANDOM_PASS, {Action.DRAW_PASSES}),
        (Strategy.IR_ONLY, {Action.IR, Action.GENERATE}),
        (Strategy.GENERAL_ONLY, {Action.IR, Action.PASSES, Action.GENERATE, Action.DRAW_PASSES}),
        (Strategy.NO_COVERAGE, {Action.IR, Action.PASSES, Action.GENERATE, Action.DRAW_PASSES}),
    ],
)
def test_a_strategy_does_what_its_name_says(strategy: Strategy, actions: set[Action]) -> None:
    made = scheduler(strategy, entries=3, tolerance=2)
    seen = set()
    for _ in range(300):
        plan = made.next()
        made.learn(plan, "", blocks=0, seconds=0.1)
        seen.add(plan.action)
    assert seen == actions


def test_ir_only_adds_no_passes_to_fresh_programs() -> None:
    made = scheduler(Strategy.IR_ONLY)
    fresh = [plan for plan in (made.next() for _ in range(200)) if plan.action is Action.GENERATE]
    assert fresh and all(plan.count == 0 for plan in fresh)


def test_general_only_never_offers_a_specific_mutator() -> None:
    made = scheduler(Strategy.GENERAL_ONLY)
    offered = {name for plan in mutations(made, 60) for name in plan.mutators}
    assert offered == {"insert", "delete", *PASSES}


def test_without_coverage_everything_is_kept_and_nothing_learned() -> None:
    made = scheduler(Strategy.NO_COVERAGE)
    assert made.wants_everything() and not scheduler().wants_everything()
    mutations(made, 50, found=True)
    assert all(blocks == 0 for blocks, _ in made.ir_mutators.state().values())


def test_the_share_of_fresh_programs_and_of_legal_sequences_is_as_stated() -> None:
    made = scheduler(entries=4)
    plans = [made.next() for _ in range(2000)]
    fresh = sum(plan.action is Action.GENERATE for plan in plans) / len(plans)
    assert abs(fresh - GENERATE_SHARE) < 0.05
    assert abs(sum(plan.legal for plan in plans) / len(plans) - LEGAL_SHARE) < 0.05


def test_an_empty_pool_gives_fresh_programs() -> None:
    made = Scheduler(random.Random(0), IR, PASSES, strategy=Strategy.RANDOM_PASS)
    assert made.next().action is Action.GENERATE


def test_rare_coverage_is_chosen_more_often() -> None:
    made = Scheduler(random.Random(1), IR, PASSES)
    for name in range(20):
        made.add(ScheduledEntry(name), blocks(1, 2, 3))
    made.add(ScheduledEntry(20), blocks(1, 2, 3, *range(1000, 1020)))
    chosen = [plan.entry for plan in mutations(made, 200)]
    assert chosen.count(20) > 3 * max(chosen.count(name) for name in range(20))


def test_every_entry_is_chosen_in_the_end() -> None:
    made = scheduler(entries=30)
    assert {plan.entry for plan in mutations(made, 600)} == set(range(30))


def test_slow_entries_are_chosen_less_often() -> None:
    made = scheduler(entries=2)
    made.entries[0].seconds = 5.0
    chosen = [made.next().entry for _ in range(100)]
    assert chosen.count(0) < chosen.count(1)


def test_a_full_pool_loses_its_least_promising_entry() -> None:
    made = scheduler(entries=3, capacity=3)
    made.entries[1].chosen = 50
    assert made.add(ScheduledEntry(3), blocks(7)) == 1
    assert set(made.entries) == {0, 2, 3}
    assert all(plan.entry != 1 for plan in mutations(made, 50))


@given(st.integers(0, 2**32), st.sampled_from(list(Strategy)))
@settings(max_examples=30, deadline=None)
def test_the_same_seed_gives_the_same_plans(seed: int, strategy: Strategy) -> None:
    def plans() -> list[MutationPlan]:
        made = Scheduler(random.Random(seed), IR, PASSES, general=IR[:1], strategy=strategy)
        made.add(ScheduledEntry(1), blocks(1, 2))
        made.add(ScheduledEntry(2), blocks(2, 3))
        result = []
        for number in range(40):
            plan = made.next()
            made.learn(plan, plan.mutators[0] if plan.mutators else "", number % 7 == 0, 0.1)
            result.append(plan)
        return result

    assert plans() == plans()


def test_what_was_learned_survives_as_json() -> None:
    made = scheduler()
    mutations(made, 40, found=True)
    again = scheduler()
    again.restore(json.loads(json.dumps(made.state())))
    assert again.state() == made.state()


def test_evidence_about_a_mutator_that_is_gone_is_ignored() -> None:
    ranking = Ranking(["insert"])
    ranking.restore({"insert": [1, 2], "gone": [3, 4]})
    assert ranking.state() == {"insert": (1.0, 2.0)}


def test_changed_counters_are_handed_out_once() -> None:
    made = scheduler(entries=2)
    mutations(made, 20)
    assert {entry.id for entry in made.take_changed()} == {0, 1}
    assert made.take_changed() == []


def first_choices(ranking: Ranking) -> Counter[str]:
    rng = random.Random(3)
    return Counter(ranking.draw(rng)[0] for _ in range(1000))


def test_mutators_are_tried_by_the_new_blocks_a_second_that_they_brought() -> None:
    """As often as one another they find something: what counts is how much, and how fast."""
    ranking = Ranking(["much", "little", "slow"])
    for _ in range(100):
        ranking.learn("much", 40, 0.1)
        ranking.learn("little", 4, 0.1)
        ranking.learn("slow", 40, 1.0)
    first = first_choices(ranking)
    assert first["much"] > 3 * max(first["little"], first["slow"])
    assert min(first["little"], first["slow"]) > 50


def test_one_lucky_mutant_does_not_make_a_mutator_the_only_one() -> None:
    ranking = Ranking([str(number) for number in range(50)])
    for name in ranking.names:
        ranking.learn(name, 1, 0.1)
    ranking.learn("7", 1_000_000, 0.1)
    assert 50 < first_choices(ranking)["7"] < 200


def test_a_mutator_that_stops_paying_loses_its_place() -> None:
    ranking = Ranking(["old", "new"])
    for _ in range(500):
        ranking.learn("old", 50, 0.1)
    for _ in range(15_000):
        ranking.learn("old", 0, 0.1)
        ranking.learn("new", 1, 0.1)
    first = first_choices(ranking)
    assert first["new"] > 2 * first["old"]


@given(st.lists(st.sets(st.integers(0, 500), min_size=1), min_size=1, max_size=20))
@settings(deadline=None)
def test_an_entry_weighs_what_the_counts_of_its_rarest_blocks_say(reached: list[set[int]]) -> None:
    rarity = Rarity()
    for entry, ids in enumerate(reached):
        rarity.add(entry, blocks(*ids))
    counts = {block: sum(block in ids for ids in reached) for ids in reached for block in ids}
    weights = rarity.weights(list(range(len(reached))))
    for entry in range(len(reached)):
        rarest = rarity.rarest(entry).tolist()
        assert len(rarest) == min(STORED_BLOCKS, len(reached[entry]))
        assert weights[entry] == pytest.approx(sum(1 / counts[block] for block in rarest))


def test_an_entry_without_known_blocks_weighs_the_median() -> None:
    rarity = Rarity()
    rarity.add(1, blocks(1))
    rarity.add(2, blocks(2, 3, 4))
    assert rarity.weights([1, 2, 9]).tolist() == [1.0, 3.0, 2.0]


def test_a_block_loses_weight_when_more_entries_reach_it() -> None:
    rarity = Rarity()
    rarity.add(1, blocks(70_000_000 % 2**20, 5))
    before = rarity.weights([1])[0]
    rarity.add(2, blocks(5))
    assert rarity.weights([1])[0] < before


@given(
    st.lists(st.integers(0, 9), max_size=12).flatmap(
        lambda calls: st.tuples(st.just(calls), st.sets(st.sampled_from(calls or [0])))
    )
)
def test_only_the_passes_that_matter_are_kept(drawn: tuple[list[int], set[int]]) -> None:
    calls, needed = drawn
    passes = tuple(PassCall(f"tirx.Pass{number}") for number in calls)
    names = {f"tirx.Pass{number}" for number in needed} & {call.name for call in passes}
    asked = []

    def still_holds(candidate: tuple[PassCall, ...]) -> bool:
        asked.append(candidate)
        return names <= {call.name for call in candidate}

    kept = passes_that_matter(passes, still_holds)
    assert sorted(call.name for call in kept) == sorted(names)
    assert len(asked) <= 2 + len(passes)
