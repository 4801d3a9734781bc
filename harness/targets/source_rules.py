"""Rules that generated source must keep, whatever the language of C's family.

A kernel is read as tokens: no compiler is needed, and none is replaced. In a kernel each variable
is declared before it is used, and once in its scope; no literal is too large for its type; and a
barrier is reached by all threads of a group or by none. What a rule doesn't know, it lets pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*|/\*.*?\*/|#[^\n]*|\[\[[^\[\]]*\]\])"
    r"|(?P<number>0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*[pP][+-]?\d+[fFhH]?"
    r"|0[xX][0-9a-fA-F]+[uUlL]*|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFhHuUlL]*)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<sign>\+\+|--|&&|\|\||<<=|>>=|<<|>>|[-+*/%&|^<>=!]=|::|->|.)",
    re.DOTALL | re.MULTILINE,
)
# What stands around names and has brackets of its own.
ATTRIBUTE = re.compile(
    r"(?:__launch_bounds__|alignas|__align__)\([^()]*\)|__attribute__\(\((?:[^()]|\([^()]*\))*\)\)"
)
KERNEL = re.compile(r"\b(?:__global__|__kernel|kernel)\b[^;{]*?\(")
SCALARS = (
    "void|bool|u?char|u?short|u?int|u?long|float|double|half|size_t|signed|unsigned"
    r"|u?int(?:8|16|32|64)_t|nv_bfloat16|__nv_bfloat16|bfloat|bfloat16|longlong|ulonglong|auto"
)
TYPE = re.compile(rf"(?:packed_)?(?:{SCALARS})\d*$")  # "packed_": Metal's three lanes
SHARED = frozenset("__shared__ __local threadgroup __global device __constant constant".split())
QUALIFIERS = SHARED | frozenset(
    "const volatile restrict __restrict__ __restrict thread __private static "
    "alignas __align__ inline struct".split()
)
WORDS = frozenset("if else for while do return break continue switch case default sizeof".split())
# Names that the languages themselves give a meaning.
GIVEN = re.compile(
    "(true|false|threadIdx|blockIdx|blockDim|gridDim|warpSize|nullptr|this|asm|as_type|static_cast"
    "|reinterpret_cast|__\\w+"
    "|(CLK|CUDART|M|INFINITY|NAN|HUGE|MAXFLOAT|FLT|DBL|U?INT|U?LONG|U?SHRT|U?CHAR)[A-Z0-9_]*)$"
)
THREADS = frozenset({"threadIdx", "get_local_id", "get_global_id", "get_sub_group_local_id"})
BARRIERS = frozenset({"__syncthreads", "barrier", "threadgroup_barrier", "work_group_barrier"})
LARGEST = {"f": 3.4028235677973366e38, "h": 65520.0, "": 1.7976931348623157e308}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


Tokens = Sequence[Token]


def broken_rule(source: str, *, threads: bool = True) -> str | None:
    """The first rule that a kernel of the source breaks, in words, or None.

    Without `threads` a group has one of them, for which any barrier is right.
    """
    return next(_broken(source, threads), None)


def _broken(source: str, threads: bool) -> Iterator[str]:
    source = ATTRIBUTE.sub(" ", source)
    for start in KERNEL.finditer(source):
        tokens = list(_tokens(source[start.end() - 1 :]))
        if not any(token.text == "{" for token in tokens):
            continue  # a declaration alone
        yield from _literals(tokens)
        reader = _Reader(tokens)
        while reader.read():  # until what differs between threads is known
            pass
        yield from reader.undeclared
        yield from reader.barriers if threads else ()


def _tokens(text: str) -> Iterator[Token]:
    """The tokens of a kernel, from its parameters up to the end of its body."""
    depth = 0
    for found in TOKEN.finditer(text):
        if found.lastgroup == "space":
            continue
        yield Token(str(found.lastgroup), found[0])
        depth += {"{": 1, "}": -1, "(": 1, ")": -1}.get(found[0], 0)
        if depth == 0 and found[0] in "};":
            return


def _literals(tokens: Tokens) -> Iterator[str]:
    for token in tokens:
        if token.kind != "number":
            continue
        text = token.text.lower()
        is_hex, is_power = text.startswith("0x"), "p" in text
        digits = text.rstrip("ul") if is_hex and not is_power else text.rstrip("fhul")
        if digits.isdigit() or (is_hex and not is_power):
            if int(digits, 16 if is_hex else 10) >= 1 << 64:
                yield f"the literal {token.text} is too large for every integer type"
            continue
        value = float.fromhex(digits) if is_hex else float(digits)
        if value >= LARGEST[text[-1] if text[-1] in "fh" else ""]:
            yield f"the literal {token.text} is too large for its type"


@dataclass
class _Place:
    """Where a statement stands: the names around it, and whether only some threads come there."""

    names: list[set[str]]
    divergent: bool = False
    loop: int | None = None  # the position of the innermost loop

    def inner(self, *, divergent: bool = False, loop: int | None = None) -> _Place:
        where = self.loop if loop is None else loop
        return _Place([*self.names, set()], self.divergent or divergent, where)


class _Reader:
    """Reads one kernel, perhaps several times: a variable may differ between threads by what
    stands behind its use in a loop."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.varying: set[str] = set()  # variables that differ between threads
        self.left: set[int] = set()  # loops that only some threads leave early
        self.common: set[str] = set()  # names of memory that all threads share
        self.undeclared: list[str] = []
        self.barriers: list[str] = []

    def read(self) -> bool:
        """Read the kernel; whether it has to be read again."""
        before = len(self.varying), len(self.left)
        self.undeclared, self.barriers = [], []
        end = self._closing(0)
        place = _Place([set()])
        for parameter in _split(self.tokens[1:end], ","):
            self._declare(parameter, place, shared=True)
        at = next(i for i in range(end, len(self.tokens)) if self.tokens[i].text == "{") + 1
        while at < len(self.tokens) - 1:  # in one scope with the parameters
            at = self._statement(at, place)
        return before != (len(self.varying), len(self.left))

    def _closing(self, start: int) -> int:
        """The position of the bracket that closes the one at `start`."""
        depth = 0
        for position in range(start, len(self.tokens)):
            text = self.tokens[position].text
            depth += (text in "([{") - (text in ")]}")
            if depth == 0:
                return position
        return len(self.tokens) - 1

    def _statement(self, at: int, place: _Place) -> int:
        """Read the statement at this position; returns the position after it."""
        text = self.tokens[at].text
        if text == "{":
            end, inner = self._closing(at), place.inner()
            at += 1
            while at < end:
                at = self._statement(at, inner)
            return end + 1
        if text in ("if", "for", "while", "switch"):
            return self._controlled(at, place)
        if text in ("else", "do"):
            return self._statement(at + 1, place.inner())
        end = self._end(at)
        self._simple(self.tokens[at:end], place)
        return end + 1

    def _controlled(self, at: int, place: _Place) -> int:
        """An if or a loop, with its else."""
        keyword, head_end = self.tokens[at].text, self._closing(at + 1)
        head, inner = self.tokens[at + 2 : head_end], place.inner()
        parts = list(_split(head, ";")) if keyword == "for" else [head]
        for part in parts:
            self._simple(part, inner)
        tested = parts[min(1, len(parts) - 1)]
        loop = at if keyword in ("for", "while") else None
        divergent = self._varies(tested) or at in self.left
        below = inner.inner(divergent=divergent, loop=loop)
        end = self._statement(head_end + 1, below)
        while keyword == "if" and end < len(self.tokens) and self.tokens[end].text == "else":
            if self.tokens[end + 1].text == "if":
                tested = self.tokens[end + 3 : self._closing(end + 2)]
                divergent = divergent or self._varies(tested)
            end = self._statement(end + 1, inner.inner(divergent=divergent, loop=loop))
        return end

    def _end(self, at: int) -> int:
        """The position of the semicolon that ends the statement at this position."""
        depth = 0
        for position in range(at, len(self.tokens)):
            text = self.tokens[position].text
            depth += (text in "([{") - (text in ")]}")
            if depth < 0 or (depth == 0 and text == ";"):
                return position
        return len(self.tokens)

    def _simple(self, tokens: Tokens, place: _Place) -> None:
        """A declaration or an expression."""
        if not tokens:
            return
        if tokens[0].text in ("break", "continue") and place.divergent and place.loop is not None:
            self.left.add(place.loop)
        if _declares(tokens):
            first, *more = _split(tokens, ",")
            self._declare(first, place, shared=False)
            for declarator in more:
                self._declare([tokens[0], *declarator], place, shared=False)
            return
        self._uses(tokens, place)
        self._assigns(tokens, place)
        for position, token in enumerate(tokens):
            if token.text in BARRIERS and _is_called(tokens, position) and place.divergent:
                self.barriers.append(f"{token.text} is not reached by all threads of a group")

    def _declare(self, tokens: Tokens, place: _Place, *, shared: bool) -> None:
        """The declaration of one variable, with its value."""
        sides = list(_split(tokens, "=", most=1))
        names = [i for i, token in enumerate(sides[0]) if _is_plain_name(sides[0], i)]
        brackets = [i for i, token in enumerate(sides[0]) if token.text in ("[", "(")]
        before = [i for i in names if not any(bracket < i for bracket in brackets)]
        if not before:
            return
        name = sides[0][before[-1]].text
        self._uses(sides[0][before[-1] + 1 :], place)
        if name in place.names[-1]:
            self.undeclared.append(f"'{name}' is declared twice in one scope")
        place.names[-1].add(name)
        if shared or any(token.text in SHARED for token in sides[0]):
            self.common.add(name)
        if len(sides) > 1:
            self._uses(sides[1], place)
            if self._varies(sides[1]):
                self.varying.add(name)

    def _uses(self, tokens: Tokens, place: _Place) -> None:
        for position, token in enumerate(tokens):
            if not _is_plain_name(tokens, position) or _is_called(tokens, position):
                continue
            if not any(token.text in names for names in place.names):
                self.undeclared.append(f"'{token.text}' is used and not declared")

    def _assigns(self, tokens: Tokens, place: _Place) -> None:
        """Notes what an assignment makes different between threads."""
        signs = [token.text for token in tokens]
        is_stored = any(
            sign.endswith("=") and sign not in ("==", "!=", "<=", ">=") for sign in signs
        )
        if not is_stored and "++" not in signs and "--" not in signs:
            return
        target = next((t.text for i, t in enumerate(tokens) if _is_plain_name(tokens, i)), "")
        if target not in self.common and (place.divergent or self._varies(tokens)):
            self.varying.add(target)

    def _varies(self, tokens: Tokens) -> bool:
        """Whether the value of an expression may differ between the threads of a group."""
        return any(token.text in THREADS or token.text in self.varying for token in tokens)


def _split(tokens: Tokens, sign: str, most: int = -1) -> Iterator[Tokens]:
    """The parts between signs that are in no brackets, at most so many times."""
    depth, start = 0, 0
    for position, token in enumerate(tokens):
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0 and token.text == sign and most != 0:
            yield tokens[start:position]
            start, most = position + 1, most - 1
    yield tokens[start:]


def _declares(tokens: Tokens) -> bool:
    """Whether a statement declares: it begins with the name of a type and another name."""
    names = [token for token in tokens if token.text not in QUALIFIERS]
    if len(names) < 2 or names[0].kind != "name" or names[0].text in WORDS:
        return tokens[0].text in QUALIFIERS
    pointed = [token for token in names[1:] if token.text not in ("*", "&")]
    is_type = names[0].text != tokens[0].text or _is_type(names[0].text)
    follows = names[1].kind == "name" or (names[1].text in ("*", "&") and is_type)
    return follows and bool(pointed) and pointed[0].kind == "name"


def _is_type(name: str) -> bool:
    return bool(TYPE.match(name)) or name.endswith("_t")


def _is_plain_name(tokens: Tokens, position: int) -> bool:
    """Whether this is the name of a variable, as far as can be told."""
    token = tokens[position]
    if token.kind != "name" or token.text in WORDS or token.text in QUALIFIERS:
        return False
    if _is_type(token.text) or GIVEN.match(token.text):
        return False
    before = tokens[position - 1].text if position else ""
    after = tokens[position + 1].text if position + 1 < len(tokens) else ""
    return before not in (".", "->", "::") and after != "::"


def _is_called(tokens: Tokens, position: int) -> bool:
    return position + 1 < len(tokens) and tokens[position + 1].text == "("
