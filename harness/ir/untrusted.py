"""Checks a module that may come from elsewhere, before it is printed, parsed or compiled.

A store, and so a case, may be from an untrusted source. Its names end up in TVMScript, whose parser
executes Python, in C source and in symbols of compiled code; its calls are executed in our process.
So names must be identifiers, and a program must not call anything outside the module.

The checks use TVM's JSON of the module, serialised again, which contains all of its strings,
whatever node and attribute they belong to.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator
from typing import Any

from harness.case import CaseError, module_text

LONGEST_NAME = 256
LONGEST_TEXT = 10_000
MOST_NODES = 1_000_000  # of a program as a tree; those of campaigns have up to 20,000
_NAME = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*(?:[.:-][A-Za-z0-9_]+)*)?")
# Code generators don't escape strings in source.
_QUOTABLE = re.compile(r"[^\"\\]*")
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The fields of nodes that hold a name; the keys of all maps are names too.
_NAME_FIELDS = ("name", "name_hint", "attr_key", "thread_tag", "storage_scope")
# Operators that call, or insert, code from outside the module.
_OUTWARD = re.compile(r"extern|packed|llvm|spirv|asm|tvm_struct|ptx|cuda|nvshmem|lookup_param")
_NO_PARTS = ("ir.Span",)  # its integers are lines and columns
_IMPORTS = re.compile(r"pragma_import_\w+|import_\w+")

Node = dict[str, Any]  # {"type": …, "data": …}, where indices stand for other nodes


def check_names(module: Any) -> None:
    """Check that each name in the module is valid, and that every string is one line of text.

    Raises:
        CaseError: a name or string is invalid, a function is not a PrimFunc, or the program is too
            large to be printed.
    """
    _check_names(_nodes(module))


def check_program(module: Any) -> None:
    """Check the names of a program that is to be compiled, and that it calls nothing outside.

    Raises:
        CaseError: a name is invalid, a string could end its literal in generated source, or the
            program calls or imports something from outside.
    """
    nodes = _nodes(module)
    _check_names(nodes)
    defined = set(_symbols_defined(nodes))
    for node in nodes:
        kind, data = node["type"], _data(node)
        if kind == "ir.Op" and _OUTWARD.search(str(data)):
            raise CaseError(f"the program calls out of itself, by {_shown(data)}")
        if kind == "ir.GlobalVar" and (name := _text(nodes, data["name_hint"])) not in defined:
            raise CaseError(f"the program calls {_shown(name)}, which it does not define")
        for text in _strings(node):
            if _IMPORTS.fullmatch(text):
                raise CaseError(f"the program imports code, by {_shown(text)}")
            if not _QUOTABLE.fullmatch(text):
                raise CaseError(f"{_shown(text)} holds a quote or a backslash")


def _nodes(module: Any) -> list[Node]:
    nodes: list[Node] = json.loads(module_text(module))["nodes"]
    return nodes


def _check_names(nodes: list[Node]) -> None:
    _check_size(nodes)
    names: set[int] = set()
    for node in nodes:
        kind, data = node["type"], _data(node)
        names.update(key for key, _ in _entries(node))
        if kind == "ir.IRModule":
            _check_functions(nodes, nodes[data["functions"]])
        if isinstance(data, dict):
            names.update(data[field] for field in _NAME_FIELDS if isinstance(data.get(field), int))
        if kind == "ir.GlobalVar":
            _check_symbol(_text(nodes, data["name_hint"]))
        for key, value in _entries(node):
            if _text(nodes, key) == "global_symbol":
                _check_symbol(_text(nodes, value))
    for index, node in enumerate(nodes):
        for text in _strings(node):
            if index in names and not (_NAME.fullmatch(text) and len(text) <= LONGEST_NAME):
                raise CaseError(f"{_shown(text)} is not a name")
            if len(text) > LONGEST_TEXT or not text.isprintable():
                raise CaseError(f"{_shown(text)} is not a line of text")


def _check_size(nodes: list[Node]) -> None:
    """Whoever prints or visits a program does so at each place where a shared node stands.

    Forty additions of a value to itself are a hundred nodes here, and 2^40 in print.
    """
    sizes: list[int] = []  # of each node as a tree; a node's parts have smaller indices
    for node in nodes:
        size = 1 + sum(sizes[part] for part in _parts(node) if 0 <= part < len(sizes))
        if size > MOST_NODES:
            raise CaseError(f"the program has more than {MOST_NODES} nodes")
        sizes.append(size)


def _parts(node: Node) -> list[int]:
    data = _data(node)
    if node["type"] in _NO_PARTS or not isinstance(data, dict | list):
        return []
    values = data.values() if isinstance(data, dict) else data
    return [value for value in values if type(value) is int]


def _check_functions(nodes: list[Node], functions: Node) -> None:
    for _, value in _entries(functions):
        if nodes[value]["type"] != "tirx.PrimFunc":
            raise CaseError(f"the module holds a {nodes[value]['type']}, not only PrimFuncs")


def _symbols_defined(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        if node["type"] == "ir.IRModule":
            for key, _ in _entries(nodes[node["data"]["functions"]]):
                yield str(_text(nodes, nodes[key]["data"]["name_hint"]))


def _check_symbol(name: str | None) -> None:
    if name is None or not _SYMBOL.fullmatch(name) or keyword.iskeyword(name):
        raise CaseError(f"{_shown(name)} is not a function's name")


def _data(node: Node) -> Any:
    return node.get("data")


def _entries(node: Node) -> list[tuple[int, int]]:
    """The (index of key, index of value) of each entry of a map; none for other nodes."""
    if node["type"] not in ("ffi.Map", "ffi.Dict"):
        return []
    return list(zip(node["data"][::2], node["data"][1::2], strict=True))


def _strings(node: Node) -> Iterator[str]:
    data = _data(node)
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        yield from (value for value in data.values() if isinstance(value, str))


def _text(nodes: list[Node], index: int) -> str | None:
    data = _data(nodes[index])
    return data if isinstance(data, str) else None


def _shown(text: object) -> str:
    return ascii(str(text)[:40])
