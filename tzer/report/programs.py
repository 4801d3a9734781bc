"""Programs of findings as TVMScript, also before and after the pass at fault.

Printing needs TVM, and a finding may crash it. So `programs` starts one process that loads TVM
(this module), and that does each finding's work in a child of its own. Nothing is parsed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import IO, Any

from corpus.store import Finding
from harness.case import Case
from harness.system.processes import ends_with_us, python_command, python_environment
from harness.system.text import last_line
from harness.verdict import Verdict

SECONDS = 30
MOST_ERRORS = 1 << 20  # bytes
LONGEST_TEXT = 100_000  # characters of a program: nobody reads on
NOT_HERE = "TVM prints no programs here"
Programs = dict[str, str]  # "program", "before", "after", "culprit", "note"


def programs(findings: list[Finding]) -> Iterator[tuple[str, Programs]]:
    """(id, programs) of each finding as they are printed. Those that can't be have a note."""
    if not findings:
        return
    # A file takes all of the backtraces that a crashing TVM prints; a pipe is full at some point.
    with tempfile.TemporaryFile() as errors, _started(errors) as process:
        assert process.stdin and process.stdout
        try:
            for finding in findings:
                asked = {"case": finding.case.to_json(), "verdict": finding.verdict.to_json()}
                try:
                    process.stdin.write(json.dumps(asked).encode() + b"\n")
                    process.stdin.flush()
                    answer = process.stdout.readline()
                except BrokenPipeError:
                    answer = b""
                if not answer:
                    process.kill()
                    errors.seek(0)
                    reason = last_line(errors.read(MOST_ERRORS).decode(errors="replace"))
                    yield finding.id, {"note": f"{NOT_HERE}: {reason}"}
                    return
                yield finding.id, json.loads(answer)
        finally:
            process.kill()
            with suppress(BrokenPipeError):  # what it has not read
                process.stdin.close()


def _started(errors: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        python_command("-m", "tzer.report.programs"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=python_environment(),
        preexec_fn=ends_with_us(),
    )


def printed(case: Case, verdict: Verdict, *, both: bool) -> str:
    """The programs as JSON. Without `both`, not the one after the pass at fault."""
    from harness.ir.untrusted import check_names

    module = case.load()
    check_names(module)
    found: Programs = {"program": _text(module)}
    if verdict.pass_name:
        if verdict.stage.sequence == "schedule":
            _add_primitive(found, case, verdict, both)
        else:
            _add_pass(found, case, verdict, both)
    return json.dumps(found)


def _add_primitive(found: Programs, case: Case, verdict: Verdict, both: bool) -> None:
    from harness.schedules import DoesNotApply, Replay
    from harness.targets.executable import RaisedByTVM

    replay = Replay(case.load())
    index = verdict.stage.pass_index
    if index is None or index >= len(case.trace):
        return
    for call in case.trace[:index]:
        try:
            replay.apply(call)
        except (DoesNotApply, RaisedByTVM):
            continue
    found |= {"before": _text(replay.module), "culprit": str(case.trace[index])[:200]}
    if both:
        try:
            replay.apply(case.trace[index])
        except (DoesNotApply, RaisedByTVM):
            return
        found["after"] = _text(replay.module)


def _add_pass(found: Programs, case: Case, verdict: Verdict, both: bool) -> None:
    from harness import passes
    from harness.passes.build import PLAIN_OPT_LEVEL, lower
    from harness.targets import get_target
    from harness.targets.executable import RaisedByTVM

    target = get_target(case.target)
    module = target.prepare(_scheduled(case))
    states, plain = passes.initial_states(module), verdict.stage.sequence == "plain"
    own = () if plain else case.passes
    calls = (*own, *passes.complete(states, own, case.target))
    level = PLAIN_OPT_LEVEL if plain else case.opt_level
    for index in _places(calls, verdict):
        before = lower(module, calls[:index], opt_level=level)
        found |= {"before": _text(before), "culprit": str(calls[index])[:200]}
        found.pop("after", None)
        if not both:
            return
        try:
            found["after"] = _text(lower(before, calls[index : index + 1], opt_level=level))
        except RaisedByTVM:
            return
        if found["after"] != found["before"]:
            return


def _places(calls: Any, verdict: Verdict) -> list[int]:
    """Where the pass at fault stands: the place is known, or it is the first that does anything."""
    places = [index for index, call in enumerate(calls) if call.name == verdict.pass_name]
    known = verdict.stage.pass_index
    return [known] if verdict.stage.step == "pass" and known in places else places


def _scheduled(case: Case) -> Any:
    from harness.schedules import replayed

    return replayed(case.load(), case.trace)


def _text(module: Any) -> str:
    lines = str(module.script()).split("\n")
    text = "\n".join(line for line in lines if not line.startswith("# from tvm")).strip()
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "\n# …"


def _answer(asked: str) -> str:
    from tzer.in_subprocess import Died, FailedInChild, Refused, in_subprocess

    data = json.loads(asked)
    case, verdict = Case.from_json(data["case"]), Verdict.from_json(data["verdict"])
    note = ""
    for both in (True, False):
        work = partial(printed, case, verdict, both=both)
        try:
            found = json.loads(in_subprocess(work, SECONDS))
            return json.dumps(found | {"note": note})
        except (Died, Refused, FailedInChild) as error:
            note = f"not printed: {last_line(str(error))}"
            if both and isinstance(error, Died) and verdict.pass_name:
                note = ""  # that is the finding
    try:
        alone = Verdict(verdict.kind)
        found = json.loads(in_subprocess(lambda: printed(case, alone, both=False), SECONDS))
        return json.dumps(found | {"note": note})
    except (Died, Refused, FailedInChild):
        return json.dumps({"note": note})


def main() -> None:
    """Answer each line of standard input by a line."""
    # Here once, so that no child has to.
    import harness.ir.untrusted
    import harness.passes.build
    import harness.schedules
    import harness.targets  # noqa: F401

    for line in sys.stdin:
        sys.stdout.buffer.write(_answer(line).encode() + b"\n")  # a pipe
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
