"""Verdict: what the oracles say of one case, as a value that travels as JSON; and its signature.

A signature says which findings have one cause. It is made of what stays the same when another
program meets the same bug: the kind, the pass or stage, the message without its numbers and names,
and, for a crash, the innermost frame inside TVM as (source file, function offset).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal, Self, get_args


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


SequenceName = Literal["", "schedule", "plain", "legal", "illegal", "device"]


@dataclass(frozen=True)
class Stage:
    """Where a job is, or where it was when its verdict was reached.

    `sequence` is the pass sequence that was followed, "schedule" for the case's trace of schedule
    primitives, "device" where a device was waited for, and "" before either. `step` is what was
    being done ("load", "reference", "lower", "pass", "build", "run", "compare", ...), or "" for all
    of the sequence; in step "pass", `pass_index` and `pass_name` say which pass or primitive. As
    text: "reference", "legal", "plain:build", "legal:pass:3:tirx.Unroll", "schedule:pass:0:split".
    """

    sequence: SequenceName = ""
    step: str = ""
    pass_index: int | None = None
    pass_name: str = ""

    def __str__(self) -> str:
        index = "" if self.pass_index is None else str(self.pass_index)
        return ":".join(part for part in (self.sequence, self.step, index, self.pass_name) if part)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The stage of this text; `str` is the inverse.

        Raises:
            ValueError: it is not the text of a stage.
        """
        sequence: SequenceName = ""
        first, *rest = text.split(":")
        for known in get_args(SequenceName):
            if first == known:
                sequence = known
        if text == sequence:
            return cls(sequence)
        match rest if sequence else [first, *rest]:
            case [step] if step.isalpha():
                return cls(sequence, step)
            case ["pass", index, name] if index.isdecimal() and len(index) < 7:
                if name.replace(".", "").isidentifier():
                    return cls(sequence, "pass", int(index), name)
        raise ValueError(f"not a stage: {text[:80]!r}")

    @property
    def place(self) -> str:
        """The pass that ran, else the step, else the sequence."""
        return self.pass_name or self.step or self.sequence


@dataclass(frozen=True)
class Verdict:
    """The outcome of one case.

    `legal` says whether every pass met the state that it needs. `signature` groups findings of one
    cause: kind, place and normalised message. `pass_name` is the culprit pass where one is known.
    `stage` is what ran last. `detail` holds what a reader needs beside the message (native frames,
    expected and actual values).
    """

    kind: Kind
    legal: bool = True
    message: str = ""
    signature: str = ""
    pass_name: str = ""
    stage: Stage = Stage()
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def is_finding(self) -> bool:
        return self.kind not in (Kind.OK, Kind.INVALID)

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "stage": str(self.stage)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        data = json.loads(text)
        stage = Stage.parse(data["stage"])
        return cls(**{**data, "kind": Kind(data["kind"]), "stage": stage})


# Libraries of frames that every backtrace has, so that they don't distinguish crashes.
COMMON_LIBRARIES = (
    "libc.so",
    "libc-",
    "libpython",
    "python",
    "libstdc++",
    "ld-linux",
    "_ctypes",
    "libffi",
    "core.cpython",
)
FFI_LIBRARY = "libtvm_ffi"

_CHANGES = [
    (re.compile(r"<root>\S*"), "_"),
    (re.compile(r"0x[0-9a-fA-F]+"), "#"),
    (re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`"), "_"),
    (re.compile(r"\b[A-Za-z_]*\d[A-Za-z_0-9]*\b"), "#"),
    (re.compile(r"-?\b\d+(\.\d+)?(e[+-]?\d+)?"), "#"),
    (re.compile(r"-?(#|\binf\b|\bnan\b)"), "#"),
    (re.compile(r"\s+"), " "),
]
_CHECK = re.compile(r"(Check failed: \(.*?\) (?:is false)?)")
_SOURCE = re.compile(r'File "[^"]*?/(src/[^"]+?)", line \d+, in ([^\n]*)')


def normalise(message: str, length: int = 160) -> str:
    """The message without addresses, numbers, quoted names and repeated white space."""
    check = _CHECK.search(message)
    text = check.group(1) if check else message
    for pattern, replacement in _CHANGES:
        text = pattern.sub(replacement, text)
    return text.strip()[:length]


def lacking(message: str) -> str:
    """The name that TVM's printer writes and the module of its parser lacks, if that is said."""
    found = re.search(r"\bmodule '[^']*' has no attribute '(\w+)'", message)
    return found[1] if found else ""


def error_signature(kind: Kind, place: str, error_type: str, message: str, backtrace: str) -> str:
    """The signature of an exception: its type, the TVM source file that raised it, and the message.

    The pass is not part of it if the source file is known: one bug of the simplifier shows in every
    pass that simplifies.
    """
    sources = _SOURCE.findall(backtrace)
    where = sources[-1][0] if sources else place
    return "|".join((kind, error_type, where, normalise(message)))


def validator_diagnostic(message: str) -> str:
    """A validator's diagnostic without its preface and its quotation of the source."""
    text = message.split("┌─")[0]
    text = re.sub(r"^.*?(Shader .*?error:|WGSL:|Module\(\):)\s*", "", text)
    found = re.match(r"(?::\d+:\d+ error: )?([^'`]*(?:'[^']*'|`[^`]*`)?)", text)
    return (found[1].strip() if found else "") or message


def refusal_signature(text: str) -> str:
    """The signature of a validator's diagnostic. It contains the diagnostic's names, which are
    chosen by TVM, because they distinguish one gap of the code generator from another."""
    return result_signature(
        Kind.INVALID_CODEGEN, "code generation", re.sub(r"\d+", "#", text)[:160]
    )


def crash_signature(
    signal_name: str, place: str, frames: Sequence[tuple[str, str, int]], said: str
) -> str:
    """The signature of a death by signal: the pass or step, and the innermost frame inside TVM.

    `frames` are (library, source file, function offset), innermost first. One frame only: those
    above it are mostly visitors, which depend on how the program is nested and not on the bug.
    Where no frame is known, what the process said stands for it.
    """
    inside = [frame for frame in frames if not frame[0].startswith(COMMON_LIBRARIES)]
    # The FFI is in every backtrace; it is the place only where nothing of the compiler is.
    inside = [frame for frame in inside if not frame[0].startswith(FFI_LIBRARY)] or inside
    where = [f"{file or library}+{offset:#x}" for library, file, offset in inside[:1]]
    return "|".join([Kind.CRASH, signal_name, place, *(where or [normalise(said)])])


def result_signature(kind: Kind, place: str, what: str) -> str:
    """The signature of a silent finding: where the meaning changed, and how it shows."""
    return "|".join((kind, place, what))
