"""The shape of a minimized program: what it is made of, and how long it is.

A minimized program has little but what the bug needs. So two silent findings of one pass whose
programs are made of the same are taken for one, and others for two.
"""

from __future__ import annotations

from typing import Any

from harness import compat
from harness.ir import rewrite
from harness.ir.loop_kinds import PARALLEL, THREAD_BINDING, UNROLLED, VECTORIZED

# The kinds of expressions and statements that say something of a cause.
TELLING = rewrite.CHILDREN.keys() - frozenset(
    "Add PrimFunc SeqStmt BufferStore BufferLoad For Evaluate SBlockRealize SBlock".split()
)
PLAIN_DTYPES = frozenset(("int32", "float32", "bool", "handle", "void"))
_LOOPS = {
    PARALLEL: "parallel",
    VECTORIZED: "vectorized",
    UNROLLED: "unrolled",
    THREAD_BINDING: "thread",
}
# Lines of TVMScript that every program has.
_FRAME = ("#", "@", "from ", "import ", "class ", "def ", "metadata =")


def shape_of_program(module: Any) -> list[str]:
    """The kinds of nodes, operators, loops and unusual dtypes that a module is made of, sorted."""
    found: set[str] = set()
    for function in module.functions.values():
        for node in compat.nodes(function.body):
            found.update(_of_node(node))
    return sorted(found)


def _of_node(node: Any) -> list[str]:
    key = compat.type_key(node)
    found = [key] if key in TELLING else []
    if key == "Call":
        found = [compat.call_name(node) or "call"]
    elif key == "For":
        found = [_LOOPS[int(node.kind)]] if int(node.kind) in _LOOPS else []
    if compat.has_scalar_type(node) and compat.dtype_of(node) not in PLAIN_DTYPES:
        found.append(compat.dtype_of(node))
    return found


def lines_of(script: str) -> int:
    """How many lines of a program's TVMScript are not header, decorator or signature."""
    lines = (line.strip() for line in script.split("\n"))
    return sum(1 for line in lines if line and not line.startswith(_FRAME))
