"""Job: what a worker does for the campaign. Runs inside the sandbox, the only part of it with TVM.

A test is two jobs, "mutate" and then "run": the campaign then holds the case before anything can go
wrong with it, and blocks of the compiler that only the mutator reached are distinguished from those
that the case reaches. Modules and what is known of them are kept between jobs, here for the
mutators and in `harness.semantics.reference` for the oracles.

Requests and replies are JSON objects; "do" names the job:

    about   {}                               {ir_mutators, general, pass_mutators, passes,
                                             ingredients}
    seeds   {targets}                        {seeds: [{name, case}]}
    mutate  {action, case, partner, mutators, count, legal, seed, targets, trickle, avoid, wanted,
             after, default_order, fatal}    {case, mutator, error, ingredients}; no case: no mutant
    run     {case, forget, native, plain}    {verdict, shape}
    reach   {case}                           {compiled}: only compile it, for its blocks

Any other exception of a job is a bug of ours: it ends the job (`JobResult.fault`) and is never a
finding.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from harness import passes as catalogue
from harness.case import Case, PassCall, PrimitiveCall, load_module, module_text
from harness.ir import ingredients
from harness.ir.shape import shape_of
from harness.oracles.failures import FAILURES
from harness.oracles.oracle import Found
from harness.oracles.schedule import scheduled
from harness.oracles.verify import judge, sequences
from harness.passes.build import lower
from harness.passes.graph import OPTIONAL
from harness.semantics import reference
from harness.targets import get_target
from harness.verdict import Kind, Stage
from harness.worker.progress_page import STAGES
from seeds import all_seeds
from seeds.generator import generate
from tzer.joint import LONGEST_DRAWN, Action
from tzer.mutant import PROGRAMS, SCHEDULES, Mutant
from tzer.mutate import IR_MUTATORS, PASS_MUTATORS, PassContext
from tzer.mutate.passes import LEARNED_SHARE
from tzer.mutate.schedules import Tries

CACHED_MODULES = 32
# A larger program makes each later test slower and reaches little more.
LARGEST_TEXT = 300_000
OPT_LEVELS = (0, 1, 2, 2, 2, 3)
INPUT_SEEDS = 4
GENERATED_SIZES = (3, 5, 8, 12)
# The share of tests for a target of the trickle, in a campaign that names none.
TRICKLE_SHARE = 0.04
# How often a pass mutation starts from nothing: crossovers and additions stay near the parent.
FRESH_PASSES = 0.2
# Of the illegal sequences, those that are random from begin to end.
RANDOM_SHARE = 0.15

# The actions that change the program.
CHANGING = (Action.GENERATE, Action.IR)
NOT_COMPILED: tuple[type[Exception], ...] = (reference.Invalid, Found, *FAILURES)

Json = dict[str, Any]
_pass_mutators = {mutator.name: mutator for mutator in PASS_MUTATORS}


def handle(request: Json) -> Json:
    """Do the job that the request names."""
    return _JOBS[request["do"]](request)


def _about(request: Json) -> Json:
    return {
        "ir_mutators": [*PROGRAMS, *SCHEDULES],
        "general": [mutator.name for mutator in IR_MUTATORS if mutator.general],
        "pass_mutators": list(_pass_mutators),
        "passes": list(OPTIONAL),
        "ingredients": list(ingredients.NAMES),
    }


def _seeds(request: Json) -> Json:
    """The seeds that one of the targets takes, for the first that does."""
    cases = []
    for seed in all_seeds():
        able = _able(seed.module, request["targets"])
        if able:
            case = Case(module_text(seed.module), target=able[0], origin=seed.name)
            cases.append({"name": seed.name, "case": case.to_json()})
    return {"seeds": cases}


def _able(module: Any, targets: Sequence[str]) -> list[str]:
    """Those of the targets that can express the module's main function."""
    return [name for name in targets if get_target(name).refusal(module["main"]) is None]


def _run(request: Json) -> Json:
    if request.get("forget"):
        reference.clear_cache()
    native = request.get("native", True)
    judged = judge(Case.from_json(request["case"]), native=native, plain=request.get("plain", True))
    reply: Json = {"verdict": judged.verdict.to_json()}
    if not native and judged.verdict.kind is Kind.OK and judged.lowered is not None:
        reply["shape"] = sorted(shape_of(judged.lowered))
    return reply


def _reach(request: Json) -> Json:
    """Compile the case without asking an oracle: half the time, for the blocks alone."""
    case = Case.from_json(request["case"])
    target = get_target(case.target)
    try:
        known = scheduled(case, reference.reference_of(case))
        _, mutated = sequences(case, known)
        with STAGES.inside_tvm(Stage(step="reach")):
            opt_level = mutated.opt_level
            module = target.prepare(known.module)
            target.generate(lower(module, mutated.calls, opt_level=opt_level))
    except NOT_COMPILED:
        return {"compiled": False}
    return {"compiled": True}


def _mutate(request: Json) -> Json:
    """A mutant by the first of the mutators that finds something to do."""
    rng = random.Random(request["seed"])
    made = _MAKERS[Action(request["action"])](request, rng)
    reply: Json = {"error": made.error}
    if made.case is None or len(made.case.module) > LARGEST_TEXT:
        return reply
    case = made.case
    had: tuple[str, ...] = ()
    if "avoid" in request and Action(request["action"]) in CHANGING:
        case, had = _avoiding(case, request["avoid"])
    targets = request["targets"]
    if request.get("trickle") and rng.random() < TRICKLE_SHARE:
        targets = request["trickle"]
    able = _able(_module(case.module), targets)
    if not able:
        return reply
    target, opt_level = rng.choice(able), rng.choice(OPT_LEVELS)
    case = replace(case, target=target, opt_level=opt_level)
    if request.get("default_order"):
        case = replace(case, passes=tuple(catalogue.default_order(target)))
    return {**reply, "case": case.to_json(), "mutator": made.mutator, "ingredients": had}


def _avoiding(case: Case, names: Sequence[str]) -> tuple[Case, tuple[str, ...]]:
    """The case without these ingredients of known failures, and those that it still has."""
    module = _module(case.module)
    changed, had = ingredients.without(module, names)
    return (case if changed is module else replace(case, module=_text(changed))), had


@dataclass(frozen=True)
class Made:
    """A mutant, if there is one, and the last error of a broken mutator on the way."""

    case: Case | None = None
    mutator: str = ""
    error: str = ""


def _replayed(request: Json, rng: random.Random) -> Made:
    """The case itself, on other inputs."""
    case = Case.from_json(request["case"])
    return Made(replace(case, input_seed=rng.randrange(INPUT_SEEDS)))


def _generated(request: Json, rng: random.Random) -> Made:
    """A fresh program, with passes drawn for it."""
    module = generate(rng, rng.choice(GENERATED_SIZES))
    case = Case(_text(module), input_seed=rng.randrange(INPUT_SEEDS), origin="generated")
    return Made(replace(case, passes=_drawn(module, request, rng)), "generate")


def _with_drawn_passes(request: Json, rng: random.Random) -> Made:
    """The parent's program with passes drawn afresh."""
    parent = Case.from_json(request["case"])
    return Made(replace(parent, passes=_drawn(_scheduled(parent), request, rng)), "draw")


def _drawn(module: Any, request: Json, rng: random.Random) -> tuple[PassCall, ...]:
    """Passes for a module, drawn; some follow what the campaign has learned."""
    count = request["count"]
    if not count:
        return ()
    if not request["legal"] and rng.random() < RANDOM_SHARE:
        return catalogue.draw_random(rng, count)
    states = _states(module)
    wanted = [name for name in request.get("wanted", ()) if name in catalogue.CATALOGUE]
    if wanted and rng.random() < LEARNED_SHARE:
        calls = [catalogue.draw_call(rng, catalogue.CATALOGUE[name]) for name in wanted[:count]]
        drawn = catalogue.repair(states, calls, rng)
    else:
        drawn = catalogue.draw_legal(states, rng, count)
    return drawn if request["legal"] else catalogue.spoil(drawn, rng)


def _with_mutated_passes(request: Json, rng: random.Random) -> Made:
    """The parent's program with its passes mutated; drawn afresh where it has none."""
    parent = Case.from_json(request["case"])
    scheduled = _scheduled(parent)
    states = _states(scheduled)
    mode: Literal["legal", "any"] = "legal" if request["legal"] else "any"
    partner = tuple(PassCall(name, tuple(args)) for name, args in request["partner"])
    context = PassContext(states, mode, partner, dict(request.get("after", ())))
    if not parent.passes or rng.random() < FRESH_PASSES:
        drawing = {**request, "count": rng.randint(1, LONGEST_DRAWN)}
        drawn = _drawn(scheduled, drawing, rng)
        return Made(replace(parent, passes=drawn), "")
    for name in request["mutators"]:
        calls = parent.passes
        for _ in range(request["count"]):
            calls = tuple(_pass_mutators[name].mutate(calls, rng, context))
        if calls != parent.passes:
            return Made(replace(parent, passes=calls), name)
    return Made()


def _with_mutated_program(request: Json, rng: random.Random) -> Made:
    """The parent's program or its trace mutated; its passes repaired where they must be legal."""
    parent = Case.from_json(request["case"])
    names = request["mutators"] or [*PROGRAMS, *SCHEDULES]
    if not request["mutators"]:
        rng.shuffle(names)
    tries = Tries(request.get("fatal"), careful="avoid" in request)
    mutant = Mutant(_module(parent.module), parent.trace, tries)
    used, error = mutant.mutate(names, request["count"], rng)
    if not used:
        return Made(error=error)
    case = parent
    if not mutant.module.same_as(_module(parent.module)):
        case = replace(parent, module=_text(mutant.module), input_seed=rng.randrange(INPUT_SEEDS))
    scheduled = mutant.scheduled()
    case = replace(case, trace=mutant.trace)
    if request["legal"] and scheduled is not None:
        states = _states(scheduled)
        if not catalogue.is_legal(states, case.passes):
            case = replace(case, passes=tuple(catalogue.repair(states, case.passes, rng)))
    return Made(case, used, error)


_MAKERS: dict[Action, Callable[[Json, random.Random], Made]] = {
    Action.REPLAY: _replayed,
    Action.GENERATE: _generated,
    Action.IR: _with_mutated_program,
    Action.PASSES: _with_mutated_passes,
    Action.DRAW_PASSES: _with_drawn_passes,
}


def _scheduled(case: Case) -> Any:
    """The module that the case's passes begin with."""
    return _applied(case.module, case.trace) if case.trace else _module(case.module)


@lru_cache(CACHED_MODULES)
def _applied(text: str, trace: tuple[PrimitiveCall, ...]) -> Any:
    module = _module(text)
    return Mutant(module, trace, Tries()).scheduled() or module


def _states(module: Any) -> Any:
    with STAGES.inside_tvm():
        return catalogue.initial_states(module)


def _text(module: Any) -> str:
    with STAGES.inside_tvm():
        return module_text(module)


@lru_cache(CACHED_MODULES)
def _module(text: str) -> Any:
    """The module of a case's text."""
    with STAGES.inside_tvm():
        return load_module(text)


_JOBS: dict[str, Callable[[Json], Json]] = {
    "about": _about,
    "seeds": _seeds,
    "mutate": _mutate,
    "run": _run,
    "reach": _reach,
}
