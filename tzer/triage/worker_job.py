"""What a worker does for triage: judge a case, propose smaller ones, describe it, write a script.

Runs inside the sandbox, the only part of triage with TVM: a case may come from anybody, and may
crash the compiler. Requests and replies are JSON objects; "do" names the job:

    steps      {}                          {steps}: [name, once] of each, in order
    judge      {case, native, oracles}     {verdict, interpreted}
    propose    {case, step, start, count}  {candidates, total}: cases, null where an edit fails
    readable   {case}                      {readable}: whether its TVMScript parses back
    describe   {case}                      {script, shape, lines}
    reproduce  {case, verdict}             {script, expected, program} or {refused}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import UserError
from harness.case import Case
from harness.ir.script import full_script
from harness.oracles.verify import judge
from harness.semantics.reference import Invalid
from harness.system.text import first_line
from harness.verdict import Verdict
from harness.worker.progress_page import STAGES
from tzer.triage.shape import lines_of, shape_of_program
from tzer.triage.steps import STEPS
from tzer.triage.steps.edit import is_readable

Json = dict[str, Any]
_steps = {step.name: step for step in STEPS}


def handle(request: Json) -> Json:
    """Do the job that the request names."""
    return _JOBS[request["do"]](request)


def _list_steps(request: Json) -> Json:
    return {"steps": [[step.name, step.once] for step in STEPS]}


def _judge(request: Json) -> Json:
    case = Case.from_json(request["case"])
    judged = judge(case, native=request["native"], plain=False, oracles=request["oracles"])
    return {"verdict": judged.verdict.to_json(), "interpreted": judged.interpreted}


def _propose(request: Json) -> Json:
    """Some of the candidates of a step; an edit that raises anything makes none."""
    case = Case.from_json(request["case"])
    with STAGES.inside_tvm():
        try:
            edits = _steps[request["step"]].edits(case)
        except Exception:  # TVM's constructors and visitors fail in any way
            return {"candidates": [], "total": 0}
        chosen = edits[request["start"] : request["start"] + request["count"]]
        found = []
        for edit in chosen:
            try:
                candidate = edit()
            except Exception:
                candidate = None
            found.append(None if candidate is None else candidate.to_json())
    return {"candidates": found, "total": len(edits)}


def _readable(request: Json) -> Json:
    with STAGES.inside_tvm():
        return {"readable": is_readable(Case.from_json(request["case"]).load())}


def _describe(request: Json) -> Json:
    module = Case.from_json(request["case"]).load()
    with STAGES.inside_tvm():
        try:
            script = full_script(module)
        except Exception as error:  # TVM's printer fails in any way
            return {"script": None, "reason": first_line(error), "shape": [], "lines": None}
        return {"script": script, "shape": shape_of_program(module), "lines": lines_of(script)}


def _reproduce(request: Json) -> Json:
    from tzer.triage.reproducer import write_reproducer

    case, verdict = Case.from_json(request["case"]), Verdict.from_json(request["verdict"])
    try:
        script = write_reproducer(case, verdict)
    except (UserError, Invalid) as error:
        return {"refused": first_line(error)}
    program = _describe(request)["script"]
    return {"script": script, "expected": _expected(verdict), "program": program}


def _expected(verdict: Verdict) -> str:
    from tzer.triage import schedule_reproducer as schedules
    from tzer.triage.reproducer_checks import EXPECTED

    if verdict.stage.sequence == "schedule":
        return schedules.EXPECTED.get(verdict.kind, schedules.EXPECTED_MEANING)
    return EXPECTED[verdict.kind]


_JOBS: dict[str, Callable[[Json], Json]] = {
    "steps": _list_steps,
    "judge": _judge,
    "propose": _propose,
    "readable": _readable,
    "describe": _describe,
    "reproduce": _reproduce,
}
