"""Every difference between the supported TVM versions (0.26 and 0.27), and nothing else.

The rest of the project imports node classes, accessors and names of passes from here, so that a
new TVM version is met in one file; tests/harness/test_compat.py looks for differences elsewhere.
0.27 renamed several nodes (`tirx.BufferLoad` became `ir.TensorLoad`, the scalar operators moved to
`tvm.ir.prim`), made bitwise operators nodes of their own instead of calls, dropped the vector
predicate of loads and stores, and has passes of its own for blocks.

One table stands elsewhere because it must be read without loading TVM:
`harness/coverage/scope.py` lists source folders under the names of both versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import ir, s_tir, tirx

from harness.system.text import first_line

Var = ir.Var
Call = ir.Call
GlobalVar = ir.GlobalVar
Range = ir.Range
IntImm = tirx.IntImm
FloatImm = tirx.FloatImm
StringImm = ir.StringImm if hasattr(ir, "StringImm") else tirx.StringImm
SBlock = s_tir.SBlock if hasattr(s_tir, "SBlock") else tirx.SBlock
SBlockRealize = s_tir.SBlockRealize if hasattr(s_tir, "SBlockRealize") else tirx.SBlockRealize
MatchBufferRegion = (
    s_tir.MatchBufferRegion if hasattr(s_tir, "MatchBufferRegion") else tirx.MatchBufferRegion
)
BufferType = type(tirx.decl_buffer((1,), "float32").ty)
# `tirx.BufferLoad` is a plain function in 0.27; this is the class of the node that it makes.
BufferLoad: Any = type(tirx.BufferLoad(tirx.decl_buffer((1,), "float32"), [0]))

_RENAMED = {"TensorLoad": "BufferLoad", "TensorRegion": "BufferRegion"}
# The intrinsic names under which 0.26 spells the operators that are nodes in 0.27.
_BITWISE_OPERATORS = {
    "BitwiseAnd": "tirx.bitwise_and",
    "BitwiseOr": "tirx.bitwise_or",
    "BitwiseXor": "tirx.bitwise_xor",
    "BitwiseNot": "tirx.bitwise_not",
    "LShift": "tirx.shift_left",
    "RShift": "tirx.shift_right",
}
_OPERATOR_OF_CALL = {name.partition(".")[2]: key for key, name in _BITWISE_OPERATORS.items()}


_DIALECTS = {"tirx": tirx.transform, "s_tir": s_tir.transform}


def pass_constructor(name: str) -> Any | None:
    """What makes the pass of this name ("s_tir.LowerInitBlock"); None if this TVM lacks it."""
    dialect, _, function = name.partition(".")
    return getattr(_DIALECTS.get(dialect), function, None)


# 0.26 simplifies and renames with or without blocks by one pass each; the passes of 0.27 with
# these names refuse blocks, for which it has others.
TIRX_PASSES_TAKE_BLOCKS = pass_constructor("s_tir.StmtSimplify") is None
SIMPLIFY_WITH_BLOCKS = ("tirx" if TIRX_PASSES_TAKE_BLOCKS else "s_tir") + ".StmtSimplify"
SSA_WITH_BLOCKS = ("tirx" if TIRX_PASSES_TAKE_BLOCKS else "s_tir") + ".ConvertSSA"
# Names of TVMScript that the parsers of only some of the supported releases know.
# 0.26 refuses a loop of int32 with a constant extent of int64, which 0.27 converts.
CHECKS_WIDTH_OF_EXTENTS = TIRX_PASSES_TAKE_BLOCKS

SCRIPT_NAMES_OF_ONE_RELEASE = frozenset(
    "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor LShift RShift ProducerLoad StringImm Tuple "
    "call_ffi_kernel compose_op masked_load masked_store tensormap_encode_tiled".split()
)


def takes_blocks(pass_name: str, *, has_blocks: bool) -> bool:
    """Whether this is a pass of which other releases have one for blocks and one without.

    `has_blocks` says whether the module that it is applied to may have blocks.
    """
    dialect, _, function = pass_name.partition(".")
    if function not in ("StmtSimplify", "ConvertSSA"):
        return False
    return dialect == "s_tir" or (TIRX_PASSES_TAKE_BLOCKS and has_blocks)


def context_keys() -> dict[str, str]:
    """The keys of the PassContext, with TVM's names of their types."""
    keys = tvm.transform.PassContext.list_configs()
    return {str(key): str(about["type"]) for key, about in keys.items()}


def tvm_version() -> str:
    """The version of the TVM at hand, as TVM spells it."""
    return str(tvm.__version__)


def node_kind(key: str) -> str:
    """A registered name without its dialect, as 0.26 calls it: "BufferLoad" of "ir.TensorLoad"."""
    kind = key.rpartition(".")[2]
    return _RENAMED.get(kind, kind)


@cache
def class_key(kind: type) -> str:
    """TVM's registered name of a class without its dialect: "Add", "For", "SBlock"."""
    info = getattr(kind, "__tvm_ffi_type_info__", None)
    return node_kind(kind.__name__ if info is None else str(info.type_key))


def type_key(node: Any) -> str:
    """The name of a node's class, as `class_key` has it; asked millions of times a minute."""
    return class_key(node.__class__)


def fields(node: Any) -> tuple[str, ...]:
    """The names of a node's own and inherited fields, without the source span."""
    names: list[str] = []
    info = type(node).__tvm_ffi_type_info__
    while info is not None:
        names = [field.name for field in info.fields or ()] + names
        info = info.parent_type_info
    return tuple(name for name in names if name != "span")


def dtype_of(expr: Any) -> str:
    """The dtype of an expression or scalar variable, e.g. "int32" or "float32x4".

    For pointers, buffers and statements' void calls that is "handle", "handle" and "void".
    """
    ty = expr.ty
    if hasattr(ty, "dtype") and not isinstance(ty, BufferType):
        return str(ty.dtype)
    if isinstance(ty, ir.TupleType):
        return "void"
    return "handle"


def has_scalar_type(node: Any) -> bool:
    """Whether this is an expression of a scalar or vector type."""
    return isinstance(getattr(node, "ty", None), ir.PrimType)


def is_buffer(node: Any) -> bool:
    """Whether this is a buffer (in both versions a Var whose type is a BufferType)."""
    return isinstance(node, Var) and isinstance(node.ty, BufferType)


def load_buffer(load: Any) -> Any:
    """The buffer that a BufferLoad reads."""
    return load.source if hasattr(load, "source") else load.buffer


def region_buffer(region: Any) -> Any:
    """The buffer that a region of a block is part of."""
    return region.source if hasattr(region, "source") else region.buffer


def access_predicate(access: Any) -> Any | None:
    """The vector predicate of a BufferLoad or BufferStore, where this TVM has them."""
    return getattr(access, "predicate", None)


def call_name(call: Any) -> str:
    """The name of the operator called, without its dialect; "" for a call of something else.

    0.27 has some of the operators of `tirx` in `prim`.
    """
    return str(call.op.name).partition(".")[2] if isinstance(call.op, ir.Op) else ""


@cache
def operator(name: str) -> Any:
    """The operator of this name without its dialect, which depends on the version."""
    known = {str(each) for each in ir.Op.list_op_names()}
    return ir.Op.get(f"prim.{name}" if f"prim.{name}" in known else f"tirx.{name}")


def call_of(function: Any, arguments: list[Any]) -> Any:
    """A call, for its effects alone, of the function of the module that a GlobalVar names."""
    return Call(function, arguments, ret_ty=ir.TupleType([]))


def operator_key(node: Any) -> str:
    """As `type_key`, and "RShift" and its like also of the calls that they are in 0.26."""
    key = type_key(node)
    return _OPERATOR_OF_CALL.get(call_name(node), key) if key == "Call" else key


def operands(node: Any) -> tuple[Any, ...]:
    """The operands of an operator that is a call in one version and a node in another."""
    if isinstance(node, Call):
        return tuple(node.args)
    return (node.a, node.b) if hasattr(node, "b") else (node.a,)


def binary(key: str, a: Any, b: Any) -> Any:
    """The operator of this class ("Add", "LShift", …) on two operands of the same dtype."""
    node = getattr(tirx, key, None) or getattr(getattr(ir, "prim", None), key, None)
    if node is not None:
        return node(a, b)
    return Call(_BITWISE_OPERATORS[key], [a, b], ret_ty=dtype_of(a))


def constant_array(node: Any) -> np.ndarray | None:
    """The value of a constant of Relax; None for any other node."""
    key = type_key(node)
    if key not in ("GenericConst", "Constant"):
        return None
    data: np.ndarray = (node.value if key == "GenericConst" else node.data).numpy()
    return data


def static_shape(buffer: Any) -> tuple[int, ...] | None:
    """The buffer's shape as Python integers, or None if a dimension is symbolic."""
    shape = buffer.ty.shape
    if not all(isinstance(extent, IntImm) for extent in shape):
        return None
    return tuple(int(extent) for extent in shape)


def walk(node: Any, callback: Callable[[Any], None]) -> None:
    """Call back on every object below `node` as a tree, parents after their children."""
    tvm_ffi.structural_walk(node, (tvm_ffi.Object, callback))


def nodes(root: Any) -> Iterator[Any]:
    """Every object below `root` as a tree, parents after their children."""
    found: list[Any] = []
    walk(root, found.append)
    return iter(found)


def structural_equal(left: Any, right: Any) -> bool:
    """Equality up to the renaming of bound and free variables."""
    return bool(tvm_ffi.structural_equal(left, right, map_free_vars=True))


def structural_hash(node: Any) -> int:
    """A hash that agrees with `structural_equal`."""
    return int(tvm_ffi.structural_hash(node, map_free_vars=True))


@cache
def llvm_intrinsic(number: int) -> str:
    """The name of the intrinsic of LLVM that TVM calls by this number."""
    return str(tvm.get_global_func("target.llvm_get_intrinsic_name")(number))


def analyzer() -> Any:
    """A fresh arithmetic analyzer."""
    return (tvm.sym if hasattr(tvm, "sym") else tvm.arith).Analyzer()


def webgpu_options(workgroup_storage: int) -> dict[str, int]:
    """The target options that limit workgroup storage (bytes); 0.26 has no limit, nor an option."""
    if "max_shared_memory_per_block" not in tvm.target.Target({"kind": "webgpu"}).attrs:
        return {}
    return {"max_shared_memory_per_block": workgroup_storage}


def why_ill_formed(module: ir.IRModule) -> str | None:
    """None, or why the module is not well formed, in TVM's own words."""
    # 0.27 checks schedulable TIR by a verifier of its own, which takes ordinary TIR as well.
    verifier = s_tir.analysis if hasattr(s_tir.analysis, "verify_well_formed") else tirx.analysis
    try:
        verifier.verify_well_formed(module, assert_mode=True)
    except Exception as error:  # the FFI raises whatever kind the C++ check names
        return first_line(error)
    return None
