"""Rewrites IR: paths into a function, replacement at a path, renaming.

IR nodes are immutable and may be shared, so a place in a program is identified by its path from the
root (a sequence of field names and list indices), not by its node. `replace_at` rebuilds only the
nodes on the path. Whole-tree rewrites use TVM FFI's structural map, which runs in C++ and exists in
all supported versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from harness import compat

Step = tuple[str, int | None]
Path = tuple[Step, ...]

# The fields of each node class that hold expressions and statements, in order of evaluation.
# Fields that must not change (lanes, predicates, regions, thread bindings) are omitted.
BINARY = (
    "Add Sub Mul Div Mod FloorDiv FloorMod Min Max EQ NE LT LE GT GE And Or "
    "BitwiseAnd BitwiseOr BitwiseXor LShift RShift"
).split()
CHILDREN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(BINARY, ("a", "b")),
    "Not": ("a",),
    "BitwiseNot": ("a",),
    "Cast": ("value",),
    "Let": ("value", "body"),
    "Select": ("condition", "true_value", "false_value"),
    "Ramp": ("base", "stride"),
    "Broadcast": ("value",),
    "Shuffle": ("vectors",),
    "Call": ("args",),
    "BufferLoad": ("indices",),
    "Bind": ("value",),
    "AssertStmt": ("condition",),
    "For": ("min", "extent", "body"),
    "While": ("condition", "body"),
    "BufferStore": ("indices", "value"),
    "AttrStmt": ("value", "body"),
    "SeqStmt": ("seq",),
    "IfThenElse": ("condition", "then_case", "else_case"),
    "Evaluate": ("value",),
    "Return": ("value",),
    "SBlockRealize": ("iter_values", "predicate", "block"),
    "SBlock": ("init", "body"),
    "PrimFunc": ("body",),
}
LIST_FIELDS = frozenset({"vectors", "args", "indices", "seq", "iter_values"})

Get = Callable[[str], Any]


def _for(node: Any, get: Get) -> Any:
    return tirx.For(
        node.loop_var, get("min"), get("extent"), get("kind"), get("body"), node.thread_binding,
        get("annotations"), node.step,
    )  # fmt: skip


def _block(node: Any, get: Get) -> Any:
    return compat.SBlock(
        node.iter_vars, get("reads"), get("writes"), node.name_hint, get("body"), get("init"),
        get("alloc_buffers"), node.match_buffers, get("annotations"),
    )  # fmt: skip


def _store(node: Any, get: Get) -> Any:
    predicate = compat.access_predicate(node)
    more = () if predicate is None else (predicate,)
    return tirx.BufferStore(get("buffer"), get("value"), list(get("indices")), *more)


def _load(node: Any, get: Get) -> Any:
    predicate = compat.access_predicate(node)
    more = () if predicate is None else (predicate,)
    return tirx.BufferLoad(compat.load_buffer(node), list(get("indices")), *more)


def _prim_func(node: Any, get: Get) -> Any:
    return node.with_body(get("body"))


BUILDERS: dict[str, Callable[[Any, Get], Any]] = {
    "Cast": lambda node, get: type(node)(compat.dtype_of(node), get("value")),
    "Let": lambda node, get: type(node)(node.var, get("value"), get("body")),
    "Ramp": lambda node, get: type(node)(get("base"), get("stride"), node.lanes),
    "Broadcast": lambda node, get: type(node)(get("value"), node.lanes),
    "Shuffle": lambda node, get: type(node)(list(get("vectors")), node.indices),
    "Call": lambda node, get: compat.Call(
        node.op, list(get("args")), node.attrs, node.ty_args, ret_ty=node.ty
    ),
    "BufferLoad": _load,
    "BufferStore": _store,
    "Bind": lambda node, get: tirx.Bind(node.var, get("value")),
    # TVM's own names of the first two parameters are swapped.
    "AssertStmt": lambda node, get: tirx.AssertStmt(
        get("condition"), node.error_kind, node.message_parts
    ),
    "For": _for,
    "AttrStmt": lambda node, get: tirx.AttrStmt(
        node.node, node.attr_key, get("value"), get("body")
    ),
    "SeqStmt": lambda node, get: sequence(get("seq")),
    "SBlockRealize": lambda node, get: compat.SBlockRealize(
        list(get("iter_values")), get("predicate"), get("block")
    ),
    "SBlock": _block,
    "PrimFunc": _prim_func,
}


def sequence(statements: Any) -> Any:
    """The statements in sequence, flattened; a single one is returned itself."""
    flat: list[Any] = []
    for statement in statements:
        if compat.type_key(statement) == "SeqStmt":
            flat.extend(statement.seq)
        else:
            flat.append(statement)
    if not flat:
        return tirx.Evaluate(tirx.IntImm("int32", 0))
    return flat[0] if len(flat) == 1 else tirx.SeqStmt(flat)


def with_fields(node: Any, **changes: Any) -> Any:
    """A copy of the node with these fields changed (fields of CHILDREN, and a few attributes)."""
    key = compat.type_key(node)

    def get(field: str) -> Any:
        return changes[field] if field in changes else getattr(node, field)

    builder = BUILDERS.get(key)
    if builder is not None:
        return builder(node, get)
    return type(node)(*(get(field) for field in CHILDREN[key]))


def children(node: Any) -> Iterator[tuple[Step, Any]]:
    """The child expressions and statements of a node, each with its step."""
    for field in CHILDREN.get(compat.type_key(node), ()):
        value = getattr(node, field)
        if field in LIST_FIELDS:
            for index, element in enumerate(value):
                yield (field, index), element
        elif value is not None:
            yield (field, None), value


def child(node: Any, step: Step) -> Any:
    """The child at this step."""
    field, index = step
    value = getattr(node, field)
    return value if index is None else value[index]


def with_child(node: Any, step: Step, new: Any) -> Any:
    """A copy of the node with another child at this step."""
    field, index = step
    if index is None:
        return with_fields(node, **{field: new})
    elements = list(getattr(node, field))
    elements[index] = new
    return with_fields(node, **{field: elements})


def at(root: Any, path: Path) -> Any:
    """The node at this path."""
    for step in path:
        root = child(root, step)
    return root


def replace_at(
    root: Any, path: Path, new: Any, update: Callable[[Any, Any], Any] | None = None
) -> Any:
    """A copy of `root` with `new` at this path.

    `update(old, rebuilt)` may replace each rebuilt node on the way up, innermost first.
    """
    spine = [root]
    for step in path[:-1]:
        spine.append(child(spine[-1], step))
    for node, step in zip(reversed(spine), reversed(path), strict=True):
        new = with_child(node, step, new)
        if update is not None:
            new = update(node, new)
    return new


def substitute(node: Any, mapping: Mapping[Any, Any]) -> Any:
    """The node with variables (and buffers) replaced, at their definitions too if they occur."""
    if not mapping:
        return node
    table = dict(mapping)
    return tvm_ffi.structural_map(node, (compat.Var, lambda var: table.get(var, var)))


def rewrite(node: Any, change: Callable[[Any], Any]) -> Any:
    """The node with each object in it replaced by the result of `change`, children first."""
    return tvm_ffi.structural_map(node, (tvm_ffi.Object, change))


def bound_below(statement: Any) -> list[Any]:
    """The variables and buffers that are defined in a statement or expression."""
    found: list[Any] = []

    def note(node: Any) -> None:
        key = compat.type_key(node)
        if key in ("Bind", "Let"):
            found.append(node.var)
        elif key == "For":
            found.append(node.loop_var)
        elif key in ("AllocBuffer", "DeclBuffer"):
            found.append(node.buffer)
        elif key == "SBlock":
            found.extend(iter_var.var for iter_var in node.iter_vars)
            found.extend(node.alloc_buffers)
            found.extend(match.buffer for match in node.match_buffers)

    compat.walk(statement, note)
    return found


def refresh(statement: Any) -> Any:
    """A copy with fresh variables for those defined in it, so that both can be in one program."""
    fresh: dict[Any, Any] = {}
    for var in bound_below(statement):
        fresh[var] = compat.Var(var.name, var.ty)
    return substitute(statement, fresh)


def with_function(module: Any, var: Any, function: Any) -> Any:
    """A copy of the module with this function under this GlobalVar."""
    functions = dict(module.functions.items())
    functions[var] = function
    return tvm.IRModule(functions, attrs=module.attrs)


def full_region(buffer: Any) -> Any:
    """The region of all elements of a buffer."""
    ranges = [compat.Range.from_min_extent(0, extent) for extent in buffer.ty.shape]
    return tirx.BufferRegion(buffer, ranges)


def access_regions(block: Any) -> tuple[list[Any], list[Any]]:
    """The read and write regions of a block, as TVM detects them from its body."""
    inner = {buffer for buffer in bound_below(block) if compat.is_buffer(buffer)}
    outer: dict[Any, Any] = {}

    def note(node: Any) -> None:
        if compat.is_buffer(node) and node not in inner:
            outer[node] = node

    compat.walk(block.body, note)
    if block.init is not None:
        compat.walk(block.init, note)
    for match in block.match_buffers:
        buffer = compat.region_buffer(match.source)
        outer[buffer] = buffer
    try:
        reads, writes = s_tir.analysis.get_sblock_read_write_region(block, outer)
    except Exception:  # the detector folds constants, which can raise any kind of exception
        return _touched(block, outer)
    own = {iter_var.var for iter_var in block.iter_vars}
    hidden = set(bound_below(block)) - own
    return _visible(reads, hidden), _visible(writes, hidden)


def _touched(block: Any, outer: Mapping[Any, Any]) -> tuple[list[Any], list[Any]]:
    """The buffers that the block loads from and those that it stores to, as whole regions."""
    reads: dict[Any, None] = {}
    writes: dict[Any, None] = {}

    def note(node: Any) -> None:
        key = compat.type_key(node)
        if key == "BufferLoad" and compat.load_buffer(node) in outer:
            reads[compat.load_buffer(node)] = None
        elif key == "BufferStore" and node.buffer in outer:
            writes[node.buffer] = None

    compat.walk(block, note)
    for match in block.match_buffers:
        reads[compat.region_buffer(match.source)] = None
    return [full_region(buffer) for buffer in reads], [full_region(buffer) for buffer in writes]


def _visible(regions: Any, hidden: set[Any]) -> list[Any]:
    """The regions, with whole buffers instead of regions that can't be declared.

    TVM's region may use a variable that is bound inside the block, or start before the buffer.
    """
    found = []
    for region in regions:
        leaks = any(
            isinstance(node, compat.Var) and node in hidden for node in compat.nodes(region)
        )
        starts = (part.min for part in region.region)
        below = any(isinstance(start, compat.IntImm) and int(start) < 0 for start in starts)
        found.append(full_region(compat.region_buffer(region)) if leaks or below else region)
    return found


def update_regions(old: Any, new: Any) -> Any:
    """For `replace_at`: declares all reads and writes of a changed block.

    Regions that equal TVM's detection are detected again. Others were written by hand, and are
    widened to whole buffers.
    """
    if compat.type_key(new) != "SBlock":
        return new
    if not (old.iter_vars or old.reads or old.writes):  # the root block declares nothing
        return new
    detected = access_regions(old)
    declared = (list(old.reads), list(old.writes))
    reads, writes = access_regions(new)
    if not all(map(compat.structural_equal, detected, declared)):
        reads = _widened(reads, declared[0])
        writes = _widened(writes, declared[1])
    return with_fields(new, reads=reads, writes=writes)


def _widened(detected: list[Any], declared: list[Any]) -> list[Any]:
    buffers = {compat.region_buffer(region): None for region in [*declared, *detected]}
    return [full_region(buffer) for buffer in buffers]
