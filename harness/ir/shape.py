"""Shape: the kinds of nodes in a module, with their dtypes, whatever they are made of.

What a code generator does with a node depends on its kind and dtype before all. A module of nothing
but kinds that were compiled before will hardly show a bug of a code generator.
"""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

from harness.case import module_text

Node = dict[str, Any]
# No code is made of them.
_OPAQUE = ("ir.Span", "ir.SourceMap", "ir.PrimType", "ir.FuncType", "tirx.BufferType")


def shape_of(module: Any) -> frozenset[int]:
    """A number for each kind of node in the module, of each dtype."""
    nodes: list[Node] = json.loads(module_text(module))["nodes"]
    kinds = {_kind(node, nodes) for node in nodes} - {None}
    return frozenset(crc32(str(kind).encode()) for kind in kinds)


def _kind(node: Node, nodes: list[Node]) -> str | None:
    """The type of a node with its dtype and, of a call, its operator; None for what isn't code."""
    kind, data = node["type"], node.get("data")
    if not isinstance(data, dict) or not kind.startswith(("tirx.", "prim.", "ir.")):
        return None
    if kind in _OPAQUE:
        return None
    names = [kind]
    if "ty" in data:
        names.append(_dtype(nodes[data["ty"]], nodes))
    if "op" in data:
        names.append(str(nodes[data["op"]].get("data"))[:64])
    if "kind" in data:
        names.append(str(data["kind"]))
    return ":".join(names)


def _dtype(node: Node, nodes: list[Node]) -> str:
    data = node.get("data")
    dtype = data.get("dtype") if isinstance(data, dict) else None
    if isinstance(dtype, int):  # of a buffer
        return f"buffer {_dtype(nodes[dtype], nodes)}"
    return str(dtype)
