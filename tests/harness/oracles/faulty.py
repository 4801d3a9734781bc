"""Oracles that raise, in place of those of the table; and a worker's handler that uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.case import Case, CaseError
from harness.oracles import table, verify
from tzer import job

FAULT = "a fault of our own"


def faulty(error: type[Exception]) -> Callable[..., Any]:
    """A function that raises the error, whatever it is called with."""

    def fail(*arguments: object, **keywords: object) -> Any:
        raise error(FAULT)

    return fail


def patched(moment: str, name: str, error: type[Exception]) -> tuple[Any, ...]:
    """The table's row of that moment, in which the oracle of this name looks at all and raises."""
    return tuple(
        replace(oracle, check=faulty(error), every=1) if oracle.name == name else oracle
        for oracle in getattr(table, moment)
    )


def campaign_job(request: dict[str, Any]) -> dict[str, Any]:
    """A campaign's job, but that no case can be judged."""
    if request["do"] == "run":
        raise CaseError(f"{FAULT} \x1b[31m")
    return job.handle(request)


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Judge the case with the oracle broken that its origin names ("AFTER_RUN wrong-result")."""
    moment, _, name = Case.from_json(request["case"]).origin.partition(" ")
    if name:
        setattr(table, moment, patched(moment, name, CaseError))
    return verify.handle(request)
