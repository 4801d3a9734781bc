"""Signatures: which findings have one cause, by what their verdicts say.

A campaign counts findings by the signature that `harness.verdict` makes while it runs: fine enough
that nothing is lost. Triage makes a coarser one of the same verdict, with what no longer depends on
the program: the check that failed without what it prints, the frame that is the bug's own, the kind
of token that a compiler stumbles over, the pass after which the meaning is another. In doubt it is
coarse, since what it holds apart is reported twice; silent findings, of which a verdict says least,
are told apart by their minimized programs as well (`shape.py`).

Reads verdicts only: loads no TVM.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from harness.verdict import COMMON_LIBRARIES, FFI_LIBRARY, Kind, Verdict, lacking
from tzer.triage.backtrace import frames_of_backtrace

SILENT = (Kind.WRONG_RESULT, Kind.OUT_OF_BOUNDS)
SILENT_ORACLES = ("changed-meaning", "out-of-bounds", "wrong-result")
LONGEST = 200

# Sources whose functions are called from everywhere: constructors, folding, containers. A check or
# a crash in one of them has its cause in whoever called.
GENERIC_SOURCES = re.compile(
    r"^(include/|3rdparty/|src/(ir|node|runtime|support)/|src/tirx/op/"
    r"|src/(tirx|s_tir)/ir/(expr|stmt|buffer|function)\.cc)"
)


def signature_of(verdict: Verdict, target: str = "") -> str:
    """What the findings of one cause have in common; "" of a verdict that is no finding."""
    if not verdict.is_finding:
        return ""
    return _OF_KIND[verdict.kind](verdict, target)[:LONGEST]


def oracles_of(verdict: Verdict) -> tuple[str, ...]:
    """The names of the oracles that see such a finding; what TVM raises needs none."""
    if verdict.kind in SILENT:
        return SILENT_ORACLES
    if verdict.kind is Kind.ROUND_TRIP:
        return ("json-round-trip" if "JSON" in verdict.message else "script-round-trip",)
    return {
        Kind.ILL_FORMED_IR: ("well-formed",),
        Kind.NONDETERMINISM: ("determinism",),
        Kind.SLOW_CODE: ("slow-code",),
    }.get(verdict.kind, ())


def across_releases(signature: str) -> str:
    """The part of a signature that is the same in the next release of TVM.

    Functions move within the library, and sources between folders: a file's name stays.
    """
    text = re.sub(r"\+0x[0-9a-f]+", "", signature)
    return re.sub(r"\b(?:src|include)/(?:\w+/)*(\w+\.(?:cc|h))", r"\1", text)


# Exceptions.

_WORD = re.compile(r"[A-Za-z][A-Za-z-]*[.,;:]?|#")
_SENTENCE_END = re.compile(r"(?<=[a-z)#])\. ")
_NAMED = frozenset(
    "variable buffer block function loop axis attribute type intrinsic symbol".split()
)


def words_of(text: str) -> str:
    """The first sentence of a message up to where it prints a part of the program.

    Numbers are "#"; the names of variables, buffers and functions are "_".
    """
    text = re.sub(r"\"[^\"]*\"|'[^']*'|`[^`]*`|‘[^’]*’|<[^>]*>", "_", text)
    text = re.sub(r"-?\b(0x[0-9a-fA-F]+|\d+(\.\d+)?(e[+-]?\d+)?|inf|nan)\b", "#", text)
    kept: list[str] = []
    for word in _SENTENCE_END.split(text)[0].split():
        bare = word.strip(".,;:()")
        if kept and kept[-1].lower() in _NAMED:
            kept.append("_")  # the name of what the word before says
        elif len(bare) == 1 and bare.isalpha():
            kept.append("_")
        elif bare in ("#", "_") or _WORD.fullmatch(word.strip("()")):
            kept.append(bare)
        else:
            break
    return " ".join(kept)


def check_of(message: str) -> tuple[str, str]:
    """The condition of a failed check, "" where it is none, and what the message says beside it."""
    _, found, rest = message.partition("Check failed: ")
    if not found:
        return "", message
    condition, said = rest.split(" is false", 1) if " is false" in rest else _compared(rest)
    condition = re.sub(r"\s+", " ", condition).strip()
    return condition, said.strip().removeprefix(":").strip()


def _compared(rest: str) -> tuple[str, str]:
    """A check of two values: "a == b (1 vs. 2) : what it means"."""
    found = re.match(r"(.*?) \([^()]* vs\. [^()]*\)(.*)", rest)
    if found is None:
        condition, _, said = rest.partition(" : ")
        return condition, said
    return found[1], found[2]


# Schedule primitives, and functions behind them, that are one implementation for two directions.
_ONE_CODE = {
    "write_at": "read_at",
    "reindex_cache_write": "reindex_cache_read",
    "WriteAt": "ReadAt",
    "ReindexCacheWrite": "ReindexCacheRead",
}


def _of_error(verdict: Verdict, target: str) -> str:
    # A KeyError quotes its message.
    condition, said = check_of(verdict.message.strip("'\""))
    return "|".join(("error", _raised_in(verdict), condition, words_of(said)))


def _raised_in(verdict: Verdict) -> str:
    """The source file of TVM that raised; behind it, where that is called by all, the function
    that called."""
    trace = verdict.detail.get("backtrace")
    frames = list(frames_of_backtrace(trace)) if isinstance(trace, str) else []
    places = [number for number, frame in enumerate(frames) if frame.file]
    if not places:  # of a verdict that has no backtrace any more
        parts = verdict.signature.split("|")
        return parts[2] if len(parts) > 2 else verdict.pass_name
    innermost = frames[places[0]]
    if not GENERIC_SOURCES.match(innermost.file):
        return innermost.file
    callers = (frame for frame in frames[places[0] + 1 :] if frame.matters)
    caller = next((frame.short for frame in callers if frame.file != innermost.file), "")
    caller = _ONE_CODE.get(caller, caller)
    if not caller and innermost.file.startswith("3rdparty/"):
        caller = verdict.pass_name  # a container's check says nothing of who failed it
    return f"{innermost.file} < {caller}" if caller else innermost.file


# Code that a compiler or a validator rejects.

# What stands in generated code where it is rejected, by the token. The first that fits.
TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("nan", re.compile(r"\bnanf?\b|\(\*\)\(const char \*\)")),
    ("infinity", re.compile(r"\binff?\b")),
    ("vector type", re.compile(r"\b(?:u?int(?:8|16|32|64)_t|u?char|float|double|half|bool)\d+\b")),
)
_PLACE = re.compile(r"^(line \d+:\d+: |:\d+:\d+ )?(error: )?")


def _of_code(verdict: Verdict, target: str) -> str:
    code = verdict.detail.get("code")
    language = "c" if verdict.detail.get("error") == "CompilerRejected" else "wgsl or wasm"
    for text in (verdict.message, code):
        for token, pattern in TOKENS:
            if isinstance(text, str) and pattern.search(text):
                return "|".join(("codegen", language, token))
    message = _PLACE.sub("", verdict.message)
    # The names in a diagnostic are TVM's, or those of the language: they say what is missing.
    named = re.findall(r"[`'‘]([A-Za-z_]+)[`'’]", message)
    return "|".join(("codegen", language, words_of(message), *named[:1]))


# Deaths.


def _of_crash(verdict: Verdict, target: str) -> str:
    signal = verdict.signature.split("|")[1] if verdict.signature.count("|") > 1 else ""
    frames = _frames(verdict)
    if "overflow" in signal:  # where a stack ends is chance; what it is full of is not
        files = Counter(file for _, file, _ in frames if file)
        return "|".join(("crash", signal, *(file for file, _ in files.most_common(1))))
    if not frames:
        return "|".join(("crash", *verdict.signature.split("|")[1:]))
    named = [frame for frame in frames if frame[1]]
    own = [frame for frame in named if not GENERIC_SOURCES.match(frame[1])]
    where = [frames[0], *(own or named)[:1]]
    shown = dict.fromkeys(f"{file or library}+{offset:#x}" for library, file, offset in where)
    return "|".join(("crash", signal, *shown))


def _frames(verdict: Verdict) -> list[tuple[str, str, int]]:
    """The frames inside the compiler, innermost first."""
    frames = verdict.detail.get("frames")
    found = []
    for frame in frames if isinstance(frames, list) else ():
        match frame:
            case [str() as library, str() as file, int() as offset]:
                if not library.startswith((*COMMON_LIBRARIES, FFI_LIBRARY)):
                    found.append((library, file, offset))
    return found


def _of_place(verdict: Verdict, target: str) -> str:
    return "|".join((str(verdict.kind), verdict.stage.place or verdict.pass_name))


# What only the oracles see.


def _of_silent(verdict: Verdict, target: str) -> str:
    """The pass after which the meaning is another, with the ingredients that it is known to fail
    on; of code generation also the target and the dtype."""
    _, place, *shows = (*verdict.signature.split("|"), "")
    if place == "run":
        place = verdict.stage.place
    place = _ONE_CODE.get(place, place)
    if place in ("code generation", "run"):
        return "|".join(("silent", place, target, *filter(None, shows)))
    # What a block no longer declares is another cause than what it computes.
    form = [each for each in shows[:1] if each == "undeclared-access"]
    return "|".join(("silent", place, *form, *filter(None, shows[1:])))


def _of_form(verdict: Verdict, target: str) -> str:
    place = verdict.pass_name or verdict.stage.place
    return "|".join((str(verdict.kind), place, words_of(verdict.message)))


def _of_round_trip(verdict: Verdict, target: str) -> str:
    said, _, why = verdict.message.partition(": ")
    if "means another" in said or "parses to" in said:
        return "|".join((str(verdict.kind), said, words_of(why) if "invalid" in said else ""))
    condition, more = check_of(why)
    words = words_of(more.removeprefix("error: "))
    return "|".join((str(verdict.kind), said, condition, words, *filter(None, [lacking(why)])))


_OF_KIND: dict[Kind, Callable[[Verdict, str], str]] = {
    Kind.CRASH: _of_crash,
    Kind.HANG: _of_place,
    Kind.OUT_OF_MEMORY: _of_place,
    Kind.INTERNAL_ERROR: _of_error,
    Kind.REJECTED_VALID: _of_error,
    Kind.INVALID_CODEGEN: _of_code,
    Kind.WRONG_RESULT: _of_silent,
    Kind.OUT_OF_BOUNDS: _of_silent,
    Kind.ILL_FORMED_IR: _of_form,
    Kind.NONDETERMINISM: _of_form,
    Kind.SLOW_CODE: _of_form,
    Kind.ROUND_TRIP: _of_round_trip,
}
