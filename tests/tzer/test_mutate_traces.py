"""Schedule mutators extend a case's trace; what they draw, the oracle judges."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from harness.case import Case, PrimitiveCall, module_text
from harness.oracles.verify import verify
from harness.schedules import PRIMITIVES, Replay
from harness.verdict import Kind
from harness.worker.sandbox import Settings, Worker
from tests import programs
from tzer.job import handle
from tzer.mutate import SCHEDULE_MUTATORS
from tzer.mutate.schedules import Tries, Unapplied, replayed


def mutated(case: Case, *mutators: str, seed: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "do": "mutate",
        "action": "ir",
        "case": case.to_json(),
        "mutators": list(mutators),
        "count": len(mutators),
        "legal": True,
        "seed": seed,
        "targets": ["llvm"],
        **more,
    }


def test_each_primitive_has_a_mutator() -> None:
    assert {mutator.primitive.name for mutator in SCHEDULE_MUTATORS} == set(PRIMITIVES)


def test_a_schedule_mutation_leaves_the_program_and_extends_the_trace() -> None:
    parent = Case(module_text(programs.matmul()))
    names = ("schedule-split", "schedule-reorder", "schedule-vectorize")
    child = Case.from_json(handle(mutated(parent, *names))["case"])
    assert child.module == parent.module
    assert [call.name for call in child.trace] == ["split", "reorder", "vectorize"]
    assert Case.from_json(handle(mutated(parent, *names))["case"]) == child
    assert verify(child).kind is Kind.OK


def test_a_mutated_program_keeps_those_primitives_that_still_apply() -> None:
    trace = (
        PrimitiveCall("split", (("c", 0), (None, 2), True)),
        PrimitiveCall("split", (("gone", 0), (None, 2), True)),
    )
    parent = Case(module_text(programs.matmul()), trace=trace)
    child = Case.from_json(handle(mutated(parent, "widen-regions"))["case"])
    assert child.module != parent.module
    assert child.trace == trace[:1]


def test_passes_are_legal_for_the_scheduled_program() -> None:
    """A vectorized loop is none of the program itself, and some passes refuse it."""
    trace = (PrimitiveCall("vectorize", (("c", 1),)),)
    parent = Case(module_text(programs.matmul()), trace=trace)
    for seed in range(8):
        request = {**mutated(parent, seed=seed), "action": "draw-passes", "count": 6}
        assert verify(Case.from_json(handle(request)["case"])).legal


@pytest.mark.parametrize("seed", range(3))
def test_a_primitive_that_kills_the_mutator_is_handed_over_untried(seed: int) -> None:
    """loop_partition dereferences null in a loop over two blocks."""
    module = two_blocks_in_a_loop()
    request = mutated(Case(module_text(module)), "schedule-loop-partition", seed=seed)
    with Worker(Settings(handler="tzer.job:handle")) as worker:
        died = worker.run(request)
        assert (died.status, died.stage.sequence) == ("died", "schedule")
        made = worker.run({**request, "fatal": died.stage.pass_index})
        case = Case.from_json(made.reply["case"])
        assert [call.name for call in case.trace] == ["loop_partition"]
        again = worker.run({"do": "run", "case": case.to_json()})
    assert (again.status, again.stage.pass_name) == ("died", "loop_partition")


def two_blocks_in_a_loop() -> Any:
    from tvm.script import from_source

    from tests.harness.oracles.test_schedule import TWO_STATEMENTS

    return from_source(TWO_STATEMENTS)


def test_a_primitive_that_fails_in_another_way_than_by_refusing_ends_the_trace() -> None:
    failing = PrimitiveCall("cache_index", ("c", "local", 0))
    with pytest.raises(Unapplied) as ended:
        Tries().apply(Replay(programs.matmul()), failing, drawn=True)
    assert ended.value.calls == (failing,)
    with pytest.raises(Unapplied) as ended:
        replayed(programs.matmul(), (failing,), Tries())
    assert ended.value.calls == ()  # it is in the trace already


def test_a_campaign_seldom_draws_what_tvm_is_known_to_fail_on() -> None:
    """Without the request to avoid anything, the same mutator finds something to do."""
    parent = Case(module_text(programs.tall()))
    counts = []
    ways: tuple[dict[str, Any], ...] = ({}, {"avoid": []})
    for more in ways:
        requests = [
            mutated(parent, "schedule-cache-index", seed=seed, **more) for seed in range(20)
        ]
        counts.append(sum("case" in handle(request) for request in requests))
    assert counts[0] == 20
    assert counts[1] <= 2


def test_what_a_mutator_leaves_is_reported_by_the_oracle() -> None:
    parent = Case(module_text(programs.tall()))
    child = Case.from_json(handle(mutated(parent, "schedule-cache-index"))["case"])
    assert [call.name for call in child.trace] == ["cache_index"]
    assert verify(child).kind is Kind.ILL_FORMED_IR


def test_random_traces_are_deterministic_and_mostly_fine() -> None:
    kinds = []
    with Worker(Settings(handler="tzer.job:handle")) as worker:
        for seed in range(12):
            names = random.Random(seed).sample([m.name for m in SCHEDULE_MUTATORS], 4)
            request = mutated(Case(module_text(programs.scaled_sum())), *names, seed=seed)
            made = worker.run(request)
            assert worker.run(request).reply == made.reply
            if "case" in made.reply:
                judged = worker.run({"do": "run", "case": made.reply["case"]})
                kinds.append(
                    judged.status == "done" and json.loads(judged.reply["verdict"])["kind"]
                )
    assert kinds.count("ok") >= 6
