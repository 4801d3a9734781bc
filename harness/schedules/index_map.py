"""Index maps as text: "i, j -> j, i // 2, i % 2", for the primitives that change layouts.

The text is parsed as arithmetic on the names before the arrow and on integers, and never executed.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import operator
import re
from collections.abc import Callable
from typing import Any

LONGEST = 400
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def index_map(text: object) -> Callable[..., list[Any]]:
    """The function from indices to indices that the text describes.

    Raises:
        ValueError: it is not such a text.
    """
    names, results = _parsed(text)

    def mapped(*indices: Any) -> list[Any]:
        variables = dict(zip(names, indices, strict=True))
        return [_value(result, variables) for result in results]

    # TVM learns from the signature how many indices there are, and what they are called.
    kind = inspect.Parameter.POSITIONAL_ONLY
    parameters = [inspect.Parameter(name, kind) for name in names]
    mapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return mapped


def as_lambda(text: object) -> str:
    """The text as a lambda of Python."""
    names, results = _parsed(text)
    return f"lambda {', '.join(names)}: [{', '.join(map(ast.unparse, results))}]"


def _parsed(text: object) -> tuple[list[str], list[ast.expr]]:
    if not isinstance(text, str):
        raise ValueError("an index map is a text")
    before, arrow, after = text.partition(" -> ")
    names = before.split(", ") if before else []
    if not arrow or len(text) > LONGEST or len(set(names)) != len(names):
        raise ValueError(f"not an index map: {text[:80]!r}")
    if not all(_NAME.fullmatch(name) and not keyword.iskeyword(name) for name in names):
        raise ValueError(f"not an index map: {text[:80]!r}")
    try:
        tree = ast.parse(f"[{after}]", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"not an index map: {text[:80]!r}") from None
    if not isinstance(tree, ast.List):
        raise ValueError(f"not an index map: {text[:80]!r}")
    for result in tree.elts:
        _check(result, names)
    return names, tree.elts


def _check(node: ast.expr, names: list[str]) -> None:
    match node:
        case ast.Name(id=name) if name in names:
            return
        case ast.Constant(value=int() as value) if type(value) is int and value < 1 << 31:
            return
        case ast.BinOp(left=ast.Constant(), right=ast.Constant()):
            pass  # Python would compute it, and may fail
        case ast.BinOp(op=ast.FloorDiv() | ast.Mod(), right=right) if not _is_divisor(right):
            pass
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left, names)
            _check(right, names)
            return
    raise ValueError(f"not an index: {ast.unparse(node)[:80]!r}")


def _is_divisor(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value > 0


def _value(node: ast.expr, variables: dict[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return variables[name]
        case ast.Constant(value=value):
            return value
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, variables), _value(right, variables))
    raise AssertionError(node)
