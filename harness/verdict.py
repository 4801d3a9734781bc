"""Verdict: what the oracles say of one case, as a value that travels as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self


class Kind(StrEnum):
    """The kinds of verdict. All but OK and INVALID are findings."""

    OK = "ok"
    INVALID = "invalid"
    CRASH = "crash"
    HANG = "hang"
    OUT_OF_MEMORY = "out-of-memory"
    INTERNAL_ERROR = "internal-error"
    ILL_FORMED_IR = "ill-formed-ir"
    WRONG_RESULT = "wrong-result"
    OUT_OF_BOUNDS = "out-of-bounds"
    INVALID_CODEGEN = "invalid-codegen"
    REJECTED_VALID = "rejected-valid"
    ROUND_TRIP = "round-trip"
    NONDETERMINISM = "nondeterminism"
    SLOW_CODE = "slow-code"


@dataclass(frozen=True)
class Verdict:
    """The outcome of one case.

    `legal` says whether every pass met the state that it needs. `signature` groups findings of one
    cause: kind, place and normalised message. `pass_name` is the culprit pass where one is known.
    `stage` is what ran last: "load", "reference", "plain", "pass:3", "build", "run". `detail` holds
    what a reader needs beside the message (native frames, expected and actual values).
    """

    kind: Kind
    legal: bool = True
    message: str = ""
    signature: str = ""
    pass_name: str = ""
    stage: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def is_finding(self) -> bool:
        return self.kind not in (Kind.OK, Kind.INVALID)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        data = json.loads(text)
        return cls(**{**data, "kind": Kind(data["kind"])})
