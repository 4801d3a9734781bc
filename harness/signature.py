"""Signatures: which findings have one cause.

A signature is made of what stays the same when another program meets the same bug: the kind, the
pass or stage, the message without its numbers and names, and, for a crash, the innermost frame
inside TVM as (source file, function offset).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.verdict import Kind

# Frames that every backtrace has, and so tell nothing apart.
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


def of_error(kind: Kind, place: str, error_type: str, message: str, backtrace: str) -> str:
    """The signature of an exception: its type, the TVM source file that raised it, and the message.

    The pass is no part of it where the source file is known: one fault of the simplifier shows in
    every pass that simplifies.
    """
    sources = _SOURCE.findall(backtrace)
    where = sources[-1][0] if sources else place
    return "|".join((kind, error_type, where, normalise(message)))


def complaint(message: str) -> str:
    """What a validator of code has to say, without its preface and its look at the source."""
    text = message.split("┌─")[0]
    text = re.sub(r"^.*?(Shader .*?error:|WGSL:|Module\(\):)\s*", "", text)
    found = re.match(r"(?::\d+:\d+ error: )?([^'`]*(?:'[^']*'|`[^`]*`)?)", text)
    return (found[1].strip() if found else "") or message


def of_refusal(text: str) -> str:
    """The signature of a validator's complaint. The names in it are those of TVM's choice: they
    tell one gap of the code generator from another, and stay."""
    return of_result(Kind.INVALID_CODEGEN, "code generation", re.sub(r"\d+", "#", text)[:160])


def of_crash(
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


def of_result(kind: Kind, place: str, what: str) -> str:
    """The signature of a silent finding: where the meaning changed, and how it shows."""
    return "|".join((kind, place, what))
