"""What a campaign learns of passes, and what it reports of its pay-offs and its footprint."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tzer.test_joint import IR, PASSES, blocks
from tzer import payoff
from tzer.footprint import MOST_POINTS, Footprint, describe, growth, memory_bytes
from tzer.joint import LONGEST_DRAWN, Action, ScheduledEntry, Scheduler
from tzer.options import SWITCHES, Strategy, Switches
from tzer.payoff import Payoffs
from tzer.rates import Shares
from tzer.transitions import FLOOR, START, Transitions

NAMES = tuple("abcdefghij")


def drawn(made: Transitions, before: str, number: int = 2000) -> Counter[str]:
    rng = random.Random(5)
    return Counter(made.successor(rng, before) for _ in range(number))


def test_a_pass_that_paid_after_another_is_drawn_after_it() -> None:
    made = Transitions(NAMES)
    for _ in range(50):
        made.learn(("a", "b"), ("a", "b"), 100, 1.0)
        made.learn(("c", "d"), (), 0, 1.0)
    after = drawn(made, "a")
    assert after["b"] > 3 * max(after["c"], after["d"])
    assert drawn(made, START)["a"] > 3 * drawn(made, START)["c"]


def test_no_pass_dies() -> None:
    made = Transitions(NAMES)
    for _ in range(5000):
        made.learn(("a",), ("a",), 1000, 0.1)
        made.learn(NAMES, (), 0, 10.0)
    first = drawn(made, START)
    assert set(first) == set(NAMES)
    least = 2000 * FLOOR / (len(NAMES) + FLOOR * (len(NAMES) - 1))
    assert min(first.values()) > least / 2


def test_what_stops_paying_is_forgotten() -> None:
    made = Transitions(NAMES)
    for _ in range(200):
        made.learn(("a",), ("a",), 100, 1.0)
    for _ in range(20_000):
        made.learn(("a",), (), 0, 1.0)
        made.learn(("b",), ("b",), 1, 1.0)
    assert drawn(made, START)["b"] > 2 * drawn(made, START)["a"]


START_SHARES = {"fresh": 0.25, "mutate": 0.6, "redraw": 0.15}


def test_shares_begin_as_stated_and_stay_so_where_nothing_is_learned() -> None:
    made, rng = Shares(START_SHARES), random.Random(2)
    assert made.shares(START_SHARES) == pytest.approx(START_SHARES)
    for _ in range(500):
        made.learn("fresh", 100, 0.1)
    drawn = Counter(made.draw(rng, START_SHARES, fixed=True) for _ in range(2000))
    assert all(abs(drawn[name] / 2000 - share) < 0.04 for name, share in START_SHARES.items())


def test_what_pays_is_done_more_and_gives_way_when_it_pays_less() -> None:
    made = Shares(START_SHARES)
    for _ in range(200):
        made.learn("fresh", 70, 1.0)
        made.learn("mutate", 10, 1.0)
        made.learn("redraw", 10, 1.0)
    shares = made.shares(START_SHARES)
    assert shares["fresh"] > 0.8 and min(shares.values()) == Shares.FLOOR
    for _ in range(3 * Shares.HALF_LIFE):
        made.learn("fresh", 1, 1.0)
        made.learn("mutate", 10, 1.0)
    assert made.shares(START_SHARES)["mutate"] > 0.5
    again = Shares(START_SHARES)
    again.restore(json.loads(json.dumps(made.state())))
    assert again.shares(START_SHARES) == pytest.approx(made.shares(START_SHARES))


def test_a_scheduler_draws_fresh_programs_while_they_pay() -> None:
    made = scheduler(Strategy.JOINT)
    fixed = scheduler(Strategy.NO_COVERAGE)
    for each in (made, fixed):
        for _ in range(300):
            plan = each.next()
            each.learn(plan, "", 70 if plan.action is Action.GENERATE else 1, 1.0)
    drawn = [
        sum(each.next().action is Action.GENERATE for _ in range(300)) for each in (made, fixed)
    ]
    assert drawn[0] > 220 and drawn[1] < 110


@given(st.lists(st.tuples(st.lists(st.sampled_from(NAMES), max_size=4), st.integers(0, 99))))
def test_what_was_learned_of_passes_survives_as_json(tests: list[tuple[list[str], int]]) -> None:
    made, again = Transitions(NAMES), Transitions(NAMES)
    for names, new in tests:
        made.learn(names, names[:2], new, 0.5)
    again.restore(json.loads(json.dumps(made.state())))
    assert drawn(again, "a", 50) == drawn(made, "a", 50)


def test_evidence_about_a_pass_that_is_gone_is_ignored() -> None:
    made, fewer = Transitions(NAMES), Transitions(NAMES[:3])
    made.learn(NAMES, NAMES, 10, 1.0)
    fewer.restore(made.state())
    assert set(fewer.state()["pairs"]) == {f"{a}>{b}" for a, b in pairwise(("", *NAMES[:3]))}


def scheduler(strategy: Strategy) -> Scheduler:
    made = Scheduler(random.Random(3), IR, PASSES, passes=NAMES, strategy=strategy)
    made.add(ScheduledEntry(1, passes=("a", "b", "a")), blocks(1))
    return made


def test_plans_name_passes_to_draw_and_to_add_where_passes_are_learned() -> None:
    made = scheduler(Strategy.JOINT)
    for _ in range(200):
        plan = made.next()
        made.learn(plan, "", 0, 0.1)
        if plan.action is Action.GENERATE:
            assert len(plan.wanted) == plan.count
        if plan.action is Action.PASSES:
            assert len(plan.wanted) == LONGEST_DRAWN
            assert [name for name, _ in plan.after] == ["", "a", "b"]
            assert {name for _, name in plan.after} <= set(NAMES)


@pytest.mark.parametrize("strategy", [Strategy.NO_COVERAGE, Strategy.IR_ONLY, Strategy.RANDOM_PASS])
def test_strategies_without_learned_passes_name_none(strategy: Strategy) -> None:
    made = scheduler(strategy)
    for _ in range(100):
        plan = made.next()
        made.learn(plan, "", 5, 0.1)
        assert plan.wanted == () and plan.after == ()


def test_strategies_differ_from_joint_by_their_switches_alone() -> None:
    assert SWITCHES.keys() == set(Strategy)
    assert SWITCHES[Strategy.JOINT] == Switches()
    off = {
        name: {switch for switch, on in vars(switches).items() if not on}
        for name, switches in SWITCHES.items()
    }
    assert off == {
        Strategy.JOINT: set(),
        Strategy.NO_COVERAGE: {"coverage"},
        Strategy.GENERAL_ONLY: {"specific"},
        Strategy.IR_ONLY: {"passes"},
        Strategy.RANDOM_PASS: {"programs", "passes"},
    }


def test_pay_offs_are_sums_that_survive() -> None:
    made, again = Payoffs(), Payoffs()
    for _ in range(2):
        made.count("pass", ("a", "b", "a"), needed=("b",), blocks=7, culprits=("a",), seconds=2.0)
    again.restore(json.loads(json.dumps(made.state())))
    data = payoff.as_data(again.state())
    assert data["pass"] == {
        "a": {"tests": 2, "blocks": 0, "findings": 2, "seconds": 2.0},
        "b": {"tests": 2, "blocks": 14, "findings": 0, "seconds": 2.0},
    }
    assert data["mutator"] == data["primitive"] == {}
    lines = list(payoff.rows(again.state(), "pass", 1))
    assert lines[1].split() == ["b", "2", "14", "7.0", "0", "2"] and "1 more" in lines[2]


def test_growth_is_of_the_later_part() -> None:
    begin = 1 << 30
    points = [(at * 60.0, begin if at < 50 else begin + at * 6000, 0) for at in range(100)]
    figures = growth(points)
    assert figures["rss_bytes_per_hour"] == pytest.approx(360_000)
    assert figures["store_bytes_per_hour"] == 0
    assert describe(points) == "1025 MiB of memory, +0 an hour; 0.0 MiB of store, +0.0 an hour"
    assert growth([])["rss_bytes"] == 0


def test_a_child_that_grows_until_it_is_replaced_is_no_growth() -> None:
    """Of a few minutes no slope is shown: it would be that of one child."""
    points = [(at * 5.0, (1 << 30) + at % 40 * (1 << 20), 0) for at in range(720)]
    assert abs(growth(points)["rss_bytes_per_hour"]) < 10 << 20
    assert growth(points[:130])["rss_bytes_per_hour"] == 0
    assert describe(points[:130]) == "1033 MiB of memory; 0.0 MiB of store"


def test_memory_that_processes_share_is_counted_once() -> None:
    """A forked child has all pages of its parent, and is hardly any memory of its own."""
    ballast = bytearray(os.urandom(64 << 20))
    alone = memory_bytes()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    both = memory_bytes()
    os.close(writer)
    os.waitpid(child, 0)
    os.close(reader)
    assert len(ballast) < alone < both + (8 << 20) < alone + (40 << 20)


def test_a_footprint_is_of_bounded_length(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000))
    made = Footprint(tmp_path)
    for elapsed in range(0, 3000, 5):
        made.measure(float(elapsed))
    assert MOST_POINTS / 2 <= len(made.points) <= MOST_POINTS
    gaps = {round(later[0] - earlier[0]) for earlier, later in pairwise(made.points)}
    assert max(gaps) <= 20
    assert all(point[1] > 1 << 20 and point[2] == 1000 for point in made.points)
