"""Every difference between the supported TVM versions (0.26 and 0.27), and nothing else.

The rest of the project imports node classes and accessors from here, so that a new TVM version is
met in one file. 0.27 renamed several nodes (`tirx.BufferLoad` became `ir.TensorLoad`, the scalar
operators moved to `tvm.ir.prim`), made bitwise operators nodes of their own instead of calls, and
dropped the vector predicate of loads and stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tvm
import tvm_ffi
from tvm import ir, s_tir, tirx

from harness.system.text import first_line

VERSION: tuple[int, int] = tuple(int(part) for part in tvm.__version__.split(".")[:2])  # type: ignore[assignment]
SUPPORTED = ((0, 26), (0, 27))

Var = ir.Var
Call = ir.Call
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

# The intrinsic names under which 0.26 spells the operators that are nodes in 0.27.
BITWISE_OPERATORS = {
    "BitwiseAnd": "tirx.bitwise_and",
    "BitwiseOr": "tirx.bitwise_or",
    "BitwiseXor": "tirx.bitwise_xor",
    "BitwiseNot": "tirx.bitwise_not",
    "LShift": "tirx.shift_left",
    "RShift": "tirx.shift_right",
}


def tvm_version() -> str:
    """The version of the TVM at hand, as TVM spells it."""
    return str(tvm.__version__)


def type_key(node: Any) -> str:
    """TVM's registered name of a node's class without its dialect: "Add", "For", "SBlock"."""
    info = getattr(type(node), "__tvm_ffi_type_info__", None)
    key = type(node).__name__ if info is None else str(info.type_key).rsplit(".", 1)[-1]
    return "BufferLoad" if key == "TensorLoad" else key


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

    Pointers, buffers and statements' void calls give "handle", "handle" and "void".
    """
    ty = expr.ty
    if hasattr(ty, "dtype") and not isinstance(ty, BufferType):
        return str(ty.dtype)
    if isinstance(ty, ir.TupleType):
        return "void"
    return "handle"


def is_buffer(node: Any) -> bool:
    """Whether this is a buffer (in both versions a Var whose type is a BufferType)."""
    return isinstance(node, Var) and isinstance(node.ty, BufferType)


def load_buffer(load: Any) -> Any:
    """The buffer that a BufferLoad reads."""
    return load.source if hasattr(load, "source") else load.buffer


def access_predicate(access: Any) -> Any | None:
    """The vector predicate of a BufferLoad or BufferStore, where this TVM has them."""
    return getattr(access, "predicate", None)


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


def analyzer() -> Any:
    """A fresh arithmetic analyzer."""
    return (tvm.sym if hasattr(tvm, "sym") else tvm.arith).Analyzer()


def is_well_formed(module: ir.IRModule) -> str | None:
    """None, or why the module is not well formed, in TVM's own words."""
    # 0.27 checks schedulable TIR by a verifier of its own, which takes ordinary TIR as well.
    verifier = s_tir.analysis if hasattr(s_tir.analysis, "verify_well_formed") else tirx.analysis
    try:
        verifier.verify_well_formed(module, assert_mode=True)
    except Exception as error:  # the FFI raises whatever kind the C++ check names
        return first_line(error)
    return None
