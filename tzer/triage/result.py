"""What triage says of one finding, as a value that is kept as JSON between its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self

from harness.system.data import Form, fits, is_amount, is_count
from harness.verdict import Kind


class Status(StrEnum):
    """What becomes of a finding."""

    REPORTED = "reported"
    DUPLICATE = "duplicate"
    KNOWN = "known"
    FLAKY = "flaky"
    INVALID = "invalid"


@dataclass(frozen=True)
class Size:
    """How much there is to read of a case: lines of TVMScript, None if it can't be printed; passes
    and schedule primitives."""

    lines: int | None
    passes: int


@dataclass(frozen=True)
class TriageResult:
    """What triage says of a finding, and why.

    `signature` is that of its cause. Of `runs` fresh processes, `shown` have shown it. `before` and
    `after` are its sizes around minimization, which took `seconds`, tested `tests` cases and was
    `complete` or ran out of time. `duplicate_of` is the id of another finding, `known` the
    reference of a known issue.
    """

    id: str
    kind: str
    status: Status
    reason: str
    signature: str
    message: str = ""
    pass_name: str = ""
    target: str = ""
    legal: bool = True
    count: int = 1
    shown: int = 0
    runs: int = 0
    before: Size | None = None
    after: Size | None = None
    tests: int = 0
    seconds: float = 0.0
    complete: bool = False
    duplicate_of: str | None = None
    known: str | None = None
    shape: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """The keys of `tzer triage --json`, but for the names of the files."""
        data = asdict(self)
        data["pass"] = data.pop("pass_name")
        return {**data, "status": str(self.status), "shape": list(self.shape)}

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The result of this data; `to_data` is the inverse.

        Raises:
            ValueError: it is not of this form.
        """
        names = {"pass" if each.name == "pass_name" else each.name for each in fields(cls)}
        if not fits(data, FORM) or data.keys() != names:
            raise ValueError("not a result of triage")
        rest = {name: value for name, value in data.items() if name != "pass"}
        sizes = {name: _size(data[name]) for name in ("before", "after")}
        status, shape = Status(data["status"]), tuple(data["shape"])
        return cls(**{**rest, **sizes, "status": status, "shape": shape, "pass_name": data["pass"]})


SIZE: Form = {"lines": int | None, "passes": is_count}


def _is_size(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and fits(value, SIZE) and len(value) == 2)


def _size(data: Mapping[str, Any] | None) -> Size | None:
    return None if data is None else Size(**data)


FORM: Form = {
    "id": str,
    "kind": lambda value: value in list(Kind),
    "status": lambda value: value in list(Status),
    "reason": str,
    "signature": str,
    "message": str,
    "pass": str,
    "target": str,
    "legal": bool,
    "count": is_count,
    "shown": is_count,
    "runs": is_count,
    "before": _is_size,
    "after": _is_size,
    "tests": is_count,
    "seconds": is_amount,
    "complete": bool,
    "duplicate_of": str | None,
    "known": str | None,
    "shape": [str],
}
