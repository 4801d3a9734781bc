"""TVMScript of a module, for people, for reproducers and for the round-trip oracle.

TVM's parser executes the text as Python. So a module's names are checked before it is printed
(`harness.ir.untrusted`), and the printer's text is checked to be only TVMScript before it is
parsed. Text from elsewhere is never parsed.
"""

from __future__ import annotations

import ast
from typing import Any

from harness import compat
from harness.case import CaseError
from harness.ir.untrusted import check_names

# The syntax of printed TVMScript: no import, no comprehension, no format string, no lambda.
_SYNTAX = (
    (ast.Module, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.keyword)
    + (ast.Expr, ast.Assign, ast.AnnAssign, ast.Assert, ast.Return, ast.Pass)
    + (ast.For, ast.While, ast.If, ast.With, ast.withitem, ast.Break, ast.Continue)
    + (ast.Call, ast.Attribute, ast.Subscript, ast.Slice, ast.Name, ast.Constant, ast.IfExp)
    + (ast.Tuple, ast.List, ast.Dict, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare)
    + (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)
)
_LANGUAGE = frozenset({"T", "I", "Axis", "range", "metadata"})
_METADATA = "metadata = tvm.ir.load_json("


def script(module: Any) -> str | None:
    """TVMScript of the module, or None if it does not parse back to an equal module."""
    try:
        back = parsed_back(module)
    except Exception:  # the printer and the parser fail in many ways; each means "no round trip"
        return None
    return full_script(module) if compat.structural_equal(back, module) else None


def full_script(module: Any) -> str:
    """TVMScript of the module, with its metadata if it has any.

    Raises:
        CaseError: a name in the module is invalid, or the printer's text is not TVMScript.
        Exception: TVM's printer can't print the module.
    """
    check_names(module)
    text = str(module.script())
    text = text if "Metadata omitted" not in text else str(module.script(show_meta=True))
    check_syntax(text)
    return text


def parsed_back(module: Any) -> Any:
    """The module that the module's TVMScript parses to.

    Raises:
        CaseError: a name in the module is invalid, or the printer's text is not TVMScript.
        Exception: TVM's printer or parser fails.
    """
    from tvm.script import from_source

    return from_source(full_script(module))


def check_syntax(text: str) -> None:
    """Check that parsing the text calls only TVM's own builders.

    Raises:
        CaseError: it may call something else.
        SyntaxError: it is not Python.
    """
    tree = ast.parse(text)
    if tree.body and ast.unparse(tree.body[0]).startswith(_METADATA):
        _check_metadata(tree.body.pop(0))
    nodes = list(ast.walk(tree))
    defined = {name for node in nodes for name in _defined(node)}
    if defined & _LANGUAGE:
        raise CaseError(f"its TVMScript redefines {min(defined & _LANGUAGE)}")
    for node in nodes:
        if not isinstance(node, _SYNTAX):
            raise CaseError(f"its TVMScript holds a {type(node).__name__}")
        if isinstance(node, ast.Name) and node.id not in _LANGUAGE | defined:
            raise CaseError(f"its TVMScript uses {node.id}")
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise CaseError(f"its TVMScript uses {node.attr}")
        if isinstance(node, ast.Call) and not _is_builder(node.func):
            raise CaseError(f"its TVMScript calls {ast.unparse(node.func)[:40]}")


def _check_metadata(statement: ast.stmt) -> None:
    """Check that a statement loads nodes from a constant text, which executes nothing."""
    match statement:
        case ast.Assign(value=ast.Call(args=[ast.Constant(value=str())], keywords=[])):
            return
    raise CaseError("its TVMScript has metadata that is not a text")


def _defined(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return (name,)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
    return ()


def _is_builder(called: ast.expr) -> bool:
    """Whether this is `range`, or an attribute of TVMScript or of an object of the program."""
    if isinstance(called, ast.Name):
        return called.id == "range"
    while isinstance(called, ast.Attribute | ast.Subscript | ast.Call):
        called = called.func if isinstance(called, ast.Call) else called.value
    return isinstance(called, ast.Name)
