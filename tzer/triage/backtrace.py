"""Backtraces of TVM: the C++ frames of an exception, and which of them say something of its cause.

The wheels are stripped, but a frame still has the name of its function, and the one that raised its
source file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FRAME = re.compile(r'File "([^"\n]*)", line (\d+), in ([^\n]*)')
_SOURCE = re.compile(r"(?:^|/)((?:src|include|3rdparty)/[^\"]+)$")
_NODE = re.compile(r"\((?:[\w:]*::)?(\w+Node) const\*")
_TEMPLATE = re.compile(r"<[^<>]*>")
# Functions that walk over any program, hand a call on, or make a node that was asked for.
_BETWEEN = re.compile(
    r"ffi::|TVMFFI|lambda|^_|std::|operator|Dispatch|Functor|::InitVTable|Pass(?:Node)?::|PassContext"
    r"|(?:^|::)(?:Stmt|Expr|StmtExpr|Object|Data|Prim)\w*(?:Mutator|Visitor)(?:Node)?::"
    r"|(?:^|::)(\w+)::\1$|WithoutCopy|CopyOnWrite|(?:^|::)Visit(?:Stmt|Expr|PrimExpr)$"
    r"|(?:^|::)Mutate$|(?:^|::)(?:CreatePrimFuncPass|TypedPackedFunc)"
)


@dataclass(frozen=True)
class SourceFrame:
    """A C++ frame: TVM's source file ("" where the wheel does not say), line, function."""

    file: str
    line: int
    function: str

    @property
    def matters(self) -> bool:
        """Whether it is more than a way from one function to another, or a helper such as cast."""
        return not _BETWEEN.search(self.function) and self.short.lower() != self.short

    @property
    def short(self) -> str:
        """The function without its namespaces, which move from release to release."""
        return (
            "::".join(part for part in self.function.split("::") if not part.islower())
            or (self.function.rpartition("::")[2])
        )


def frames_of_backtrace(text: str) -> Iterator[SourceFrame]:
    """The C++ frames of an exception's traceback, innermost first."""
    for file, line, function in reversed(_FRAME.findall(text)):
        if "::" in function:
            source = _SOURCE.search(file)
            yield SourceFrame(source[1] if source else "", int(line[:9]), _name(function))


def _name(signature: str) -> str:
    """A function's name, of its whole C++ signature; with the node that a visitor is for."""
    plain = signature.replace("(anonymous namespace)::", "").replace("operator()", "operator")
    node = _NODE.search(plain)
    while (shorter := _TEMPLATE.sub("", plain)) != plain:
        plain = shorter
    words = plain.partition("(")[0].split()
    name = words[-1] if words else ""
    return f"{name}({node[1]})" if node and name.endswith("_") else name
