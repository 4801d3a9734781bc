"""Steps on statements: leaving them out, taking what they hold for them, plain loops and blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.ingredients import number_of
from harness.ir.intervals import base_dtype, lanes_of
from harness.ir.loop_kinds import SERIAL
from tzer.triage.steps.edit import (
    ModuleEdit,
    ShrinkStep,
    chunks,
    of_function,
    of_module,
    paths,
    replacing,
)

FEW_ITERATIONS = (1, 2, 4)


def _fewer_functions(module: Any) -> Iterator[ModuleEdit]:
    for var in module.functions:
        if str(var.name_hint) != "main":
            yield _without_function(module, var)


def _without_function(module: Any, dropped: Any) -> ModuleEdit:
    functions = {v: f for v, f in module.functions.items() if not v.same_as(dropped)}
    return lambda: type(module)(functions, attrs=module.attrs)


def _fewer_statements(function: Any) -> Iterator[ModuleEdit]:
    """Outer statements before inner ones, many of a sequence before single ones."""
    sequences = [(p, n) for p, n in paths(function) if compat.type_key(n) == "SeqStmt"]
    for path, node in sorted(sequences, key=lambda found: len(found[0])):
        parts = list(node.seq)
        for start, stop in chunks(len(parts)):
            if stop - start < len(parts) or len(path) > 1:
                rest = rewrite.sequence([*parts[:start], *parts[stop:]])
                yield replacing(function, path, rest)


def _contents(function: Any) -> Iterator[ModuleEdit]:
    """A statement replaced by what it holds: a loop by its first iteration, an if by a case."""
    for path, node in paths(function):
        for inner in _inner(node):
            yield replacing(function, path, inner)


def _inner(node: Any) -> Iterator[Any]:
    match compat.type_key(node):
        case "For":
            yield rewrite.substitute(node.body, {node.loop_var: node.min})
        case "While" | "AttrStmt":
            yield node.body
        case "IfThenElse":
            yield node.then_case
            if node.else_case is not None:
                yield node.else_case
                yield rewrite.with_fields(node, else_case=None)
        case "SBlockRealize":
            yield from _opened(node)
        case "BufferStore":
            yield from _scalar(node)


def _scalar(store: Any) -> Iterator[Any]:
    """The first lane of a store of vectors."""
    value, indices = store.value, list(store.indices)
    if lanes_of(compat.dtype_of(value)) == 1 or compat.type_key(indices[-1]) != "Ramp":
        return
    first = [*indices[:-1], indices[-1].base]
    if compat.type_key(value) == "Broadcast":
        yield tirx.BufferStore(store.buffer, value.value, first)
    zero = tirx.Cast(base_dtype(compat.dtype_of(value)), tirx.IntImm("int32", 0))
    yield tirx.BufferStore(store.buffer, zero, first)


def _opened(realize: Any) -> Iterator[Any]:
    """What a block does at each of its instances, without the block."""
    block = realize.block
    if len(block.match_buffers):
        return
    values = [iter_var.var for iter_var in block.iter_vars]
    bound = dict(zip(values, realize.iter_values, strict=True))
    allocated = [tirx.AllocBuffer(buffer) for buffer in block.alloc_buffers]
    parts = [block.body] if block.init is None else [block.init, block.body]
    yield rewrite.sequence([*allocated, *(rewrite.substitute(part, bound) for part in parts)])


def _bindings(function: Any) -> Iterator[ModuleEdit]:
    """A variable replaced by its value wherever it is used."""
    for path, node in paths(function):
        if compat.type_key(node) == "SeqStmt":
            for index, part in enumerate(node.seq):
                if compat.type_key(part) == "Bind":
                    yield _inlined(function, path, node, index)
        elif compat.type_key(node) == "Let":
            value = rewrite.substitute(node.body, {node.var: node.value})
            yield replacing(function, path, value)


def _inlined(function: Any, path: rewrite.Path, sequence: Any, index: int) -> ModuleEdit:
    parts = list(sequence.seq)
    bind = parts.pop(index)

    def made() -> Any:
        rest = rewrite.substitute(rewrite.sequence(parts), {bind.var: bind.value})
        return replacing(function, path, rest)()

    return made


def _plain_loops(function: Any) -> Iterator[ModuleEdit]:
    for path, node in paths(function):
        if compat.type_key(node) != "For":
            continue
        if int(node.kind) != SERIAL:
            serial = rewrite.with_fields(node, kind=SERIAL)
            yield replacing(function, path, serial)
        if len(node.annotations):
            yield replacing(function, path, rewrite.with_fields(node, annotations={}))
        dtype, extent = compat.dtype_of(node.loop_var), number_of(node.extent)
        if number_of(node.min) != 0:
            zero = tirx.IntImm(dtype, 0)
            yield replacing(function, path, rewrite.with_fields(node, min=zero))
        fewer = [few for few in FEW_ITERATIONS if extent is None or few < extent]
        if extent is not None and extent // 2 > FEW_ITERATIONS[-1]:
            fewer.append(int(extent) // 2)
        for few in fewer:
            shorter = rewrite.with_fields(node, extent=tirx.IntImm(dtype, few))
            yield replacing(function, path, shorter)


def _plain_blocks(function: Any) -> Iterator[ModuleEdit]:
    for path, node in paths(function):
        key = compat.type_key(node)
        if key == "SBlockRealize" and number_of(node.predicate) is None:
            true = tirx.IntImm("bool", 1)
            yield replacing(function, path, rewrite.with_fields(node, predicate=true))
        if key != "SBlock":
            continue
        if node.init is not None:
            yield replacing(function, path, rewrite.with_fields(node, init=None))
        if len(node.annotations):
            yield replacing(function, path, rewrite.with_fields(node, annotations={}))
        if node.iter_vars or node.reads or node.writes:  # the root block declares nothing
            reads, writes = rewrite.access_regions(node)
            yield replacing(function, path, rewrite.with_fields(node, reads=reads, writes=writes))
        kept = list(node.alloc_buffers)
        for index in range(len(kept)):
            fewer = [*kept[:index], *kept[index + 1 :]]
            yield replacing(function, path, rewrite.with_fields(node, alloc_buffers=fewer))


def _fewer_axes(function: Any) -> Iterator[ModuleEdit]:
    """Blocks without one of their variables, or with a domain of as many as there are instances."""
    for path, node in paths(function):
        if compat.type_key(node) != "SBlockRealize":
            continue
        for index in range(len(node.iter_values)):
            yield _without_axis(function, path, node, index)
            extent = number_of(node.block.iter_vars[index].dom.extent)
            for few in FEW_ITERATIONS:
                if extent is None or few < extent:
                    yield _with_domain(function, path, node, index, few)


def _without_axis(function: Any, path: rewrite.Path, realize: Any, index: int) -> ModuleEdit:
    def made() -> Any:
        axes, values = list(realize.block.iter_vars), list(realize.iter_values)
        bound = {axes.pop(index).var: values.pop(index)}
        block = _with_axes(realize.block, axes, bound)
        changed = compat.SBlockRealize(values, realize.predicate, block)
        return replacing(function, path, changed)()

    return made


def _with_domain(
    function: Any, path: rewrite.Path, realize: Any, index: int, extent: int
) -> ModuleEdit:
    def made() -> Any:
        axes = list(realize.block.iter_vars)
        old = axes[index]
        domain = compat.Range.from_min_extent(0, tirx.IntImm(compat.dtype_of(old.var), extent))
        axes[index] = tirx.IterVar(domain, old.var, int(old.iter_type))
        block = _with_axes(realize.block, axes, {})
        return replacing(function, path, rewrite.with_fields(realize, block=block))()

    return made


def _with_axes(block: Any, axes: list[Any], bound: dict[Any, Any]) -> Any:
    """The block with other variables, those that are left out bound to values."""
    reads, writes = (
        [rewrite.substitute(r, bound) for r in rs] for rs in (block.reads, block.writes)
    )
    body = rewrite.substitute(block.body, bound)
    init = block.init if block.init is None else rewrite.substitute(block.init, bound)
    return compat.SBlock(
        axes, reads, writes, block.name_hint, body, init, block.alloc_buffers,
        block.match_buffers, block.annotations,
    )  # fmt: skip


STATEMENTS = (
    ShrinkStep("functions", "those that main can do without", of_module(_fewer_functions)),
    ShrinkStep("statements", "most of a program has no part in it", of_function(_fewer_statements)),
    ShrinkStep(
        "contents", "loops, branches and blocks that are only around it", of_function(_contents)
    ),
    ShrinkStep(
        "loops", "few iterations, serial, from zero, unannotated", of_function(_plain_loops)
    ),
    ShrinkStep(
        "blocks",
        "no init, predicate, annotation, region or allocation too many",
        of_function(_plain_blocks),
    ),
    ShrinkStep("axes", "few variables of blocks, and small domains", of_function(_fewer_axes)),
    ShrinkStep("bindings", "a value where it is used", of_function(_bindings)),
)
