"""Check: the verdict of one case, which a worker reaches; what `tzer check` does.

A case may be of anybody's making: here it is text, and only a worker, which may die of it, loads
its module.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import UserError
from harness.case import Case, CaseError
from harness.system.data import parse_json
from harness.system.files import read_bounded
from harness.verdict import Kind, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import Settings, Worker
from tzer.in_subprocess import FailedInChild
from tzer.show import outcome

LARGEST_CASE = 64 << 20
SECONDS = 60.0
# Bits of the input seed to flip, where a case is fine: small integers, or any of the dtype.
OTHER_INPUTS = (1, 2, 3, 5, 7)


def read_case(path: Path) -> Case:
    """The case that a file holds; that of the name "-", standard input.

    The text is a case's JSON, or what `tzer show --json` prints of a finding.

    Raises:
        UserError: it can't be read, or holds no case.
    """
    text = _text(path)
    try:
        data = parse_json(text)
    except ValueError:
        raise CaseError(
            f"{_name(path)} is not JSON; tzer show DIR ID --case prints a case"
        ) from None
    if isinstance(data, dict) and "case" in data:
        text = json.dumps(data["case"])
    return Case.from_json(text)


def _text(path: Path) -> str:
    try:
        if os.fspath(path) == "-":
            content = sys.stdin.buffer.read(LARGEST_CASE + 1)
            if len(content) > LARGEST_CASE:
                raise UserError(f"standard input is larger than {LARGEST_CASE >> 20} MiB")
        else:
            content = read_bounded(path, LARGEST_CASE)
        return content.decode()
    except UnicodeDecodeError:
        raise CaseError(f"{_name(path)} is not text") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None


def _name(path: Path) -> str:
    return "standard input" if os.fspath(path) == "-" else str(path)


def judge(case: Case) -> Verdict:
    """The verdict of a worker that has judged nothing before.

    A case that is fine on its own inputs is judged on those of some other seeds as well: half of
    them draw integers from all of their dtype.

    Raises:
        FailedInChild: a bug of ours; the message is its traceback.
        SandboxError: the worker can't be started.
    """
    with Worker(Settings(seconds=SECONDS)) as worker:
        verdict = _judged(worker, case)
        if verdict.kind is not Kind.OK:
            return verdict
        for flipped in OTHER_INPUTS:
            seed = case.input_seed ^ flipped
            other = _judged(worker, replace(case, input_seed=seed))
            if other.is_finding:
                return replace(other, detail={**other.detail, "input_seed": seed})
    return verdict


def _judged(worker: Worker, case: Case) -> Verdict:
    result = worker.run({"case": case.to_json()})
    if result.fault:
        raise FailedInChild(result.fault)
    if result.status == "done":
        return Verdict.from_json(result.reply["verdict"])
    return verdict_of(result)


def as_data(verdict: Verdict) -> dict[str, Any]:
    """The keys of `tzer check --json`; as far as they go, those of `tzer findings --json`."""
    return {
        "kind": str(verdict.kind),
        "legal": verdict.legal,
        "signature": verdict.signature,
        "message": verdict.message,
        "pass": verdict.pass_name,
        "stage": str(verdict.stage),
        "detail": verdict.detail,
    }


def describe(case: Case, verdict: Verdict) -> Iterator[str]:
    """The verdict for people to read."""
    yield f"{verdict.kind}, {'legal' if verdict.legal else 'illegal'} pass order"
    if verdict.is_finding:
        yield verdict.message
        yield f"signature  {verdict.signature}"
        yield from outcome(case, verdict)
