"""The wasm target: compiles a scheduled PrimFunc to a WebAssembly object of plain functions.

It needs neither TVM's runtime nor emscripten: buffers are passed as addresses in one linear memory,
and the outermost parallel loop, if there is one, runs from row `begin` to row `end`, so that any
number of threads can split a call. `harness/wasm/linker.py` links the objects.

Lowering uses TVM's own passes without those that need the runtime (MakePackedAPI, LowerTVMBuiltin);
buffer parameters become pointers.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import tvm
import tvm_ffi
from tvm import ir, s_tir, tirx

from harness import compat
from harness.ir.loop_kinds import PARALLEL, SERIAL
from harness.targets.executable import raised_by_tvm
from harness.wasm.linker import ARRAYS_START, STACK_BYTES, LinkError, link
from harness.wasm.object_file import ObjectFile

C_CALLING_CONVENTION = 0
TRIPLE = "wasm32-unknown-unknown"
# What of a function's own buffers may lie on the stack, which LLVM's spilled registers share.
MOST_ON_STACK = STACK_BYTES * 3 // 4


# The C functions that LLVM may call; wasm_launcher.mjs provides them.
C_MATHS = frozenset(
    name + kind
    for name in (
        "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "exp", "exp2",
        "exp10", "fmod", "hypot", "log", "log10", "log1p", "log2", "pow", "round", "sin", "sinh",
        "tan", "tanh",
    )
    for kind in ("", "f")
)  # fmt: skip


@dataclass(frozen=True)
class WasmOptions:
    """LLVM's options: whether to use relaxed SIMD (fused multiply-add), and the opt level."""

    relaxed: bool = True
    opt_level: int = 1

    def description(self) -> dict[str, object]:
        """The argument of `tvm.target.Target`."""
        features = ["+simd128", "+bulk-memory", "+nontrapping-fptoint", "+sign-ext"]
        if self.relaxed:
            features.append("+relaxed-simd")
        return {
            "kind": "llvm", "mtriple": TRIPLE, "mattr": features, "opt-level": self.opt_level,
            "vector-width": 128,
        }  # fmt: skip


class Lowered(NamedTuple):
    """A function with the plain ABI.

    Its parameters are a pointer for each buffer, one for each of `scratch`, the scalars, and int32
    begin and end, a part of `rows`, the extent of the outermost parallel loop (1 if none; an
    expression where it depends on the scalars). `scratch` are the bytes of memory that it needs for
    itself; threads can't share them.
    """

    function: Any
    rows: Any
    scratch: tuple[int, ...]


def lower(function: Any) -> Lowered:
    """The function with the plain ABI, with large buffers of its own as scratch memory.

    Raises:
        RaisedByTVM: a pass raised.
        ValueError: a buffer of its own is of a size that depends on a scalar.
    """
    lowered, scratch = _with_scratch(_lowered(function, _lowerings(_has_scalars(function))))
    return Lowered(*plain_abi(lowered, has_open_rows=True), scratch)


def lower_directly(function: Any) -> Any:
    """The function for the emitter, which needs fewer passes, and buffers that share no memory.

    Raises:
        RaisedByTVM: a pass raised.
    """
    blocks: list[Any] = []
    tvm_ffi.structural_walk(function.body, (compat.SBlock, blocks.append))
    left_out = LEFT_OUT if blocks else LEFT_OUT | OF_BLOCKS
    passes = _lowerings(_has_scalars(function))
    return _lowered(function, [each for each in passes if each.info.name not in left_out])


def _has_scalars(function: Any) -> bool:
    return not all(map(compat.is_buffer, function.params))


# What the emitter does itself, and what only functions with blocks need; but LowerOpaqueBlock makes
# loops of one iteration their bodies, which VectorizeLoop can't take.
LEFT_OUT = frozenset({"tirx.StorageRewrite", "tirx.RemoveNoOp"})
OF_BLOCKS = frozenset(
    {"s_tir.LowerInitBlock", "s_tir.PlanAndUpdateBufferAllocationLocation",
     "s_tir.ConvertBlocksToOpaque", "s_tir.CompactBufferAllocation", "s_tir.LowerMatchBuffer",
     "tirx.NarrowDataType"}
)  # fmt: skip


def _lowered(function: Any, passes: Sequence[Any]) -> Any:
    named = function.with_attr("global_symbol", "kernel").with_attr(
        "target", _target(WasmOptions())
    )
    module = ir.IRModule({"kernel": named})
    with tvm.transform.PassContext(opt_level=3), raised_by_tvm():
        for each in passes:
            module = each(module)
    return module["kernel"]


def _with_scratch(function: Any) -> tuple[Any, tuple[int, ...]]:
    """The function with its largest buffers as parameters, until the others fit on the stack.

    Returns it with the bytes of each of these buffers.
    """
    own = [node.buffer for node in compat.nodes(function.body) if _is_allocation(node)]
    if any(compat.static_shape(buffer) is None for buffer in own):
        raise ValueError("a buffer of its own is of no constant size")
    sizes = {buffer: _bytes_of(buffer) for buffer in own}
    taken, moved = sum(sizes.values()), []
    for buffer in sorted(sizes, key=lambda each: -sizes[each]):
        if taken <= MOST_ON_STACK:
            break
        moved.append(buffer)
        taken -= sizes[buffer]
    if not moved:
        return function, ()

    def without(allocation: Any) -> Any:
        is_moved = any(allocation.buffer.same_as(buffer) for buffer in moved)
        return tirx.Evaluate(0) if is_moved else allocation

    body = tvm_ffi.structural_map(function.body, (tirx.AllocBuffer, without))
    given = [*function.params]
    buffers = [each for each in given if compat.is_buffer(each)]
    scalars = [each for each in given if not compat.is_buffer(each)]
    changed = tirx.PrimFunc([*buffers, *moved, *scalars], body, attrs=function.attrs)
    return changed, tuple(sizes[buffer] for buffer in moved)


def _is_allocation(node: Any) -> bool:
    return compat.type_key(node) == "AllocBuffer"


def _bytes_of(buffer: Any) -> int:
    """The bytes of a buffer of constant shape."""
    dtype, _, lanes = str(buffer.ty.dtype).partition("x")
    bits = int("".join(each for each in dtype if each.isdigit()) or 8)
    return math.prod(compat.static_shape(buffer) or ()) * int(lanes or 1) * max(bits // 8, 1)


@cache
def _lowerings(keeps_sizes: bool) -> list[Any]:
    """TVM's passes; one that makes buffers smaller would have their sizes depend on scalars."""
    compaction = [] if keeps_sizes else [s_tir.transform.CompactBufferAllocation()]
    return [
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        *compaction,
        s_tir.transform.LowerMatchBuffer(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.NarrowDataType(32),
        tirx.transform.VectorizeLoop(),
        tirx.transform.StorageRewrite(),
        tirx.transform.UnrollLoop(),
        tirx.transform.ConvertSSA(),  # unrolled copies bind the same variables
        tirx.transform.StmtSimplify(),
        tirx.transform.RemoveNoOp(),
        tirx.transform.LowerIntrin(),
    ]


def build_object(functions: Mapping[str, Any], options: WasmOptions) -> bytes:
    """A WebAssembly object with these functions, which `lower` returned, under these names.

    Raises:
        RaisedByTVM: TVM's LLVM code generator raised.
    """
    target = _target(options)
    module = ir.IRModule(
        {
            name: function.with_attr("global_symbol", name).with_attr("target", target)
            for name, function in functions.items()
        }
    )
    build = tvm.get_global_func("target.build.llvm")
    with tempfile.TemporaryDirectory(prefix="jitweb-wasm-") as folder:
        path = Path(folder) / "kernel.o"
        with raised_by_tvm():
            build(module, target).write_to_file(str(path), "o")
        return path.read_bytes()


@cache
def _target(options: WasmOptions) -> Any:
    return tvm.target.Target(options.description())


def link_alone(content: bytes | ObjectFile, imports: Collection[str] = ()) -> bytes:
    """A module of one object, for a device to run.

    Raises:
        LinkError: it needs an undefined symbol, or has too much data.
    """
    linked = link([content], imports=imports)
    if linked.static_end > ARRAYS_START:
        raise LinkError(f"the kernel has {linked.static_end} bytes of data and stack")
    return linked.content


def plain_abi(function: Any, has_open_rows: bool = False) -> tuple[Any, Any]:
    """A function that was lowered by other passes with the plain ABI, and its rows: see Lowered.

    Unless it `has_open_rows`, a loop of constant extent alone is split.
    """
    pointers: dict[Any, Any] = {}
    parameters: list[Any] = []
    for parameter in function.params:
        if not compat.is_buffer(parameter):
            parameters.append(parameter)
            continue
        element = ir.PointerType(ir.PrimType(str(parameter.ty.dtype)))
        pointers[parameter] = compat.Var(parameter.name, element)
        parameters.append(pointers[parameter])
    begin, end = compat.Var("begin", _int32()), compat.Var("end", _int32())
    scalars = [each for each in function.params if has_open_rows and not compat.is_buffer(each)]
    body, rows = _split_rows(_by_pointers(function.body, pointers), begin, end, scalars)
    used = {node for node in compat.nodes(body) if compat.is_buffer(node)}
    # A buffer of one dimension is accessed directly; others have a flat view by now.
    views = [tirx.DeclBuffer(each, data=pointers[each]) for each in pointers if each in used]
    body = tirx.SeqStmt([*views, body]) if views else body
    attributes = {
        "tirx.noalias": True, "calling_conv": C_CALLING_CONVENTION, "tirx.is_global_func": True,
    }  # fmt: skip
    plain = tirx.PrimFunc([*parameters, begin, end], body)
    for name, value in attributes.items():
        plain = plain.with_attr(name, value)
    return plain, rows


def _int32() -> Any:
    return ir.PrimType("int32")


def _by_pointers(body: Any, pointers: Mapping[Any, Any]) -> Any:
    """The body with the address of a parameter's buffer replaced by its pointer."""

    def replaced(call: Any) -> Any:
        if compat.call_name(call) == "buffer_data" and call.args[0] in pointers:
            return pointers[call.args[0]]
        return call

    return tvm_ffi.structural_map(body, (compat.Call, replaced))


def _split_rows(body: Any, begin: Any, end: Any, scalars: Sequence[Any] = ()) -> tuple[Any, Any]:
    """The body with its outermost parallel loop from begin to end; other loops become serial.

    Its extent is constant, or depends on these scalars alone.
    """
    found: list[Any] = [node for node in compat.nodes(body) if _is_parallel(node)]
    is_known = bool(found) and (
        isinstance(found[-1].extent, compat.IntImm) or _uses_only(found[-1].extent, scalars)
    )
    outermost = found[-1] if is_known and _encloses_all(body, found[-1]) else None

    def replaced(loop: Any) -> Any:
        if not _is_parallel(loop):
            return loop
        if outermost is not None and loop.loop_var.same_as(outermost.loop_var):
            dtype = compat.dtype_of(loop.loop_var)
            first, count = begin.astype(dtype), (end - begin).astype(dtype)
            start = loop.min + first
            return tirx.For(loop.loop_var, start, count, SERIAL, loop.body)
        return tirx.For(loop.loop_var, loop.min, loop.extent, SERIAL, loop.body)

    rows: Any = 1
    if outermost is not None:
        is_constant = isinstance(outermost.extent, compat.IntImm)
        rows = int(outermost.extent) if is_constant else outermost.extent
    return tvm_ffi.structural_map(body, (tirx.For, replaced)), rows


def _uses_only(expression: Any, scalars: Sequence[Any]) -> bool:
    """Whether an expression is of these scalars, and there is one."""
    used = [each for each in compat.nodes(expression) if isinstance(each, compat.Var)]
    return bool(scalars) and all(any(each.same_as(known) for known in scalars) for each in used)


def _is_parallel(node: Any) -> bool:
    return compat.type_key(node) == "For" and int(node.kind) == PARALLEL


def _encloses_all(body: Any, loop: Any) -> bool:
    """Whether every store of the body is in the loop, so that its rows are all of the work."""
    inside = sum(compat.type_key(node) == "BufferStore" for node in compat.nodes(loop))
    return inside == sum(compat.type_key(node) == "BufferStore" for node in compat.nodes(body))
