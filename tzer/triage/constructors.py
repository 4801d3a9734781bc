"""A module as calls of TVM's own constructors, the same text on every supported release.

TVM's JSON names nodes as one release does, and the parser of TVMScript folds constants and adds
layouts. The constructors do neither, and a few lines (`PREAMBLE`) find those that moved. What is
written holds nothing of the module but checked literals: the names of variables are our own.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterable
from typing import Any

from tvm import tirx

from harness import compat

PREAMBLE = '''
def moved(name):
    """What TVM has in one place or another, depending on the release."""
    return next(getattr(place, name) for place in (tirx, s_tir, tvm.ir) if hasattr(place, name))


def operator(name, *args, ty=None, ty_args=()):
    """The call of a built-in operator, or the node that it is in this release."""
    node = {"bitwise_and": "BitwiseAnd", "bitwise_or": "BitwiseOr", "bitwise_xor": "BitwiseXor",
            "bitwise_not": "BitwiseNot", "shift_left": "LShift", "shift_right": "RShift"}.get(name)
    if node and hasattr(tirx, node):
        return getattr(tirx, node)(*args)
    op = next(f"{d}.{name}" for d in ("prim", "tirx") if f"{d}.{name}" in OPERATORS)
    return tvm.ir.Call(op, args, ret_ty=ty, ty_args=list(ty_args))


def i32(value):
    return tirx.IntImm("int32", value)


OPERATORS = {str(name) for name in tvm.ir.Op.list_op_names()}
Var, GlobalVar, Call, DictAttrs = tvm.ir.Var, tvm.ir.GlobalVar, tvm.ir.Call, tvm.ir.DictAttrs
Type, PrimType, PointerType = tvm.ir.Type, tvm.ir.PrimType, tvm.ir.PointerType
TupleType, span = tvm.ir.TupleType, tvm.ir.Range.from_min_extent
SBlock, SBlockRealize = moved("SBlock"), moved("SBlockRealize")
MatchBufferRegion, StringImm = moved("MatchBufferRegion"), moved("StringImm")
'''

WIDTH = 96
DEEPEST = 14  # levels of calls in one expression: for readers, and for the parser of Python
MOST_NODES = 20_000

# A call is its name and arguments; everything else is written already.
Text = str | tuple[str, list["Text"], str]

_BINARY = frozenset(
    "Add Sub Mul Div Mod FloorDiv FloorMod Min Max EQ NE LT LE GT GE And Or".split()
)
_BITWISE = {
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "BitwiseNot": "bitwise_not",
    "LShift": "shift_left",
    "RShift": "shift_right",
}
# The fields of a node that are the arguments of its constructor, in their order.
_FIELDS = dict.fromkeys(_BINARY, ("a", "b")) | {
    "Not": ("a",),
    "Select": ("condition", "true_value", "false_value"),
    "Ramp": ("base", "stride", "lanes"),
    "Broadcast": ("value", "lanes"),
    "Shuffle": ("vectors", "indices"),
    "Let": ("var", "value", "body"),
    "While": ("condition", "body"),
    "BufferStore": ("buffer", "value", "indices"),
    "AttrStmt": ("node", "attr_key", "value", "body"),
    "SeqStmt": ("seq",),
    "IfThenElse": ("condition", "then_case", "else_case"),
    "Evaluate": ("value",),
    "Bind": ("var", "value"),
    "AssertStmt": ("condition", "error_kind", "message_parts"),
    "Return": ("value",),
    "Break": (),
    "Continue": (),
    "IterVar": ("dom", "var", "iter_type", "thread_tag"),
    "MatchBufferRegion": ("buffer", "source"),
    "SBlock": (
        "iter_vars",
        "reads",
        "writes",
        "name_hint",
        "body",
        "init",
        "alloc_buffers",
        "match_buffers",
        "annotations",
    ),
    "SBlockRealize": ("iter_values", "predicate", "block"),
}
_BARE = frozenset({"SBlock", "SBlockRealize", "MatchBufferRegion"})  # defined by the preamble


class CantWrite(Exception):
    """A node of the module has no text here; the message names it."""


def as_constructors(module: Any) -> str:
    """The body of a function that returns the module, to stand below `PREAMBLE`.

    Raises:
        CantWrite: it has a node that no release's constructor makes, or too many nodes.
    """
    return _Writer().module(module)


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[int, str] = {}  # of variables, by the address of their node
        self.taken: set[str] = set()
        self.count = 0

    def module(self, module: Any) -> str:
        functions = {}
        for var, function in module.functions.items():
            name = self.fresh("f_" + str(var.name_hint))
            self.names[var.__chandle__()] = name
            self.assign(name, ("GlobalVar(", [repr(str(var.name_hint))], ")"))
            functions[name] = function
        items: list[Text] = []
        for name, function in functions.items():
            body = self.fresh(name.removeprefix("f_"))
            self.assign(body, self.function(function))
            items.append(f"{name}: {body}")
        attrs = self.mapping(module.attrs) if module.attrs else None
        more: list[Text] = [("attrs=", [attrs], "")] if attrs else []
        self.lines += _laid_out(("return tvm.IRModule(", [("{", items, "}"), *more], ")"), 0)
        return "\n".join(self.lines)

    def function(self, function: Any) -> Text:
        if compat.type_key(function) != "PrimFunc":
            raise CantWrite(compat.type_key(function))
        params = self.list(function.params)
        body = self.text(function.body)
        ret_type = self.type(function.ret_type)
        attrs: Text = ("DictAttrs(", [self.mapping(function.attrs)], ")")
        return ("tirx.PrimFunc(", [params, body, ret_type, attrs], ")")

    # --- nodes -----------------------------------------------------------------------------------

    def text(self, node: Any) -> Text:
        """The text of any value that a field may hold."""
        self.count += 1
        if self.count > MOST_NODES:
            raise CantWrite(f"more than {MOST_NODES} nodes")
        match node:
            case None | bool() | int():
                return repr(node if node is None or isinstance(node, bool) else int(node))
            case str():
                return repr(str(node))
            case float():
                return _number(node)
        key = compat.type_key(node)
        if key in _FIELDS:
            name = key if key in _BARE else f"tirx.{key}"
            return self.shallow((f"{name}(", self.fields(node, key), ")"))
        writer = getattr(self, f"_{key}", None)
        if writer is not None:
            return self.shallow(writer(node))
        if key in ("Map", "Dict", "DictAttrs"):
            return self.mapping(node)
        if key in ("Array", "List"):
            return self.list(node)
        raise CantWrite(key)

    def fields(self, node: Any, key: str) -> list[Text]:
        if key == "BufferStore" and compat.access_predicate(node) is not None:
            raise CantWrite("a vector predicate")
        return [self.text(getattr(node, field)) for field in _FIELDS[key]]

    def list(self, values: Iterable[Any]) -> Text:
        return ("[", [self.text(value) for value in values], "]")

    def mapping(self, values: Any) -> Text:
        """Of a map, or of attributes; what is not set in them is left out."""
        items: list[Text] = []
        for key in values.keys() if values is not None else ():
            items.append((f"{str(key)!r}: ", [self.text(values[key])], ""))
        return ("{", items, "}")

    def shallow(self, text: Text) -> Text:
        """The text, or the name of a variable that it was assigned to as it is deep."""
        if _depth(text) < DEEPEST:
            return text
        name = self.fresh("part")
        self.assign(name, text)
        return name

    def assign(self, name: str, text: Text) -> None:
        self.lines += _laid_out((f"{name} = ", [text], ""), 0)

    def fresh(self, name: str) -> str:
        """A name for a variable of the script, which no other has."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
        plain = f"v_{plain}" if not plain or plain[0].isdigit() or plain in _RESERVED else plain
        number, unique = 1, plain
        while unique in self.taken:
            number += 1
            unique = f"{plain}_{number}"
        self.taken.add(unique)
        return unique

    # --- kinds that differ from their fields -----------------------------------------------------

    def _IntImm(self, node: Any) -> Text:
        dtype = compat.dtype_of(node)
        return f"i32({node.value})" if dtype == "int32" else f"tirx.IntImm({dtype!r}, {node.value})"

    def _FloatImm(self, node: Any) -> Text:
        return f"tirx.FloatImm({compat.dtype_of(node)!r}, {_number(float(node.value))})"

    def _StringImm(self, node: Any) -> Text:
        return f"StringImm({str(node.value)!r})"

    def _Cast(self, node: Any) -> Text:
        return ("tirx.Cast(", [repr(compat.dtype_of(node)), self.text(node.value)], ")")

    def _Var(self, node: Any) -> Text:
        handle = node.__chandle__()
        if handle not in self.names:
            made = self.buffer(node) if compat.is_buffer(node) else self.scalar(node)
            self.names[handle] = name = self.fresh(str(node.name))
            self.assign(name, made)
        return self.names[handle]

    def scalar(self, var: Any) -> Text:
        return ("Var(", [repr(str(var.name)), self.type(var.ty)], ")")

    def buffer(self, var: Any) -> Text:
        """`decl_buffer` with those arguments without which it makes another buffer."""
        ty = var.ty
        dtype, name, scope = str(ty.dtype.dtype), str(var.name), str(ty.storage_scope)
        usual = tirx.decl_buffer(list(ty.shape), dtype, name, strides=list(ty.strides)).ty
        args: list[Text] = [self.list(ty.shape), repr(dtype), repr(name)]
        if len(ty.strides):
            args.append(("strides=", [self.list(ty.strides)], ""))
        if scope != usual.storage_scope:
            args.append(f"scope={scope!r}")
        for field in ("data_alignment", "offset_factor"):
            if getattr(ty, field) != getattr(usual, field):
                args.append(f"{field}={int(getattr(ty, field))}")
        if not compat.structural_equal(ty.elem_offset, usual.elem_offset):
            args.append(("elem_offset=", [self.text(ty.elem_offset)], ""))
        if ty.layout is None and usual.layout is not None:
            args.append("layout=None")
        elif not compat.structural_equal(ty.layout, usual.layout):
            raise CantWrite("a layout")
        if len(ty.allocated_addr):
            raise CantWrite("a buffer at an address")
        return ("tirx.decl_buffer(", args, ")")

    def type(self, ty: Any) -> Text:
        match compat.type_key(ty):
            case "PrimType":
                return f"PrimType({str(ty.dtype)!r})"
            case "PointerType":
                scope = repr(str(ty.storage_scope))
                return ("PointerType(", [self.type(ty.element_type), scope], ")")
            case "TupleType":
                return ("TupleType(", [("[", [self.type(each) for each in ty.fields], "]")], ")")
            case "Type":
                return "Type.missing()"
        raise CantWrite(f"a {compat.type_key(ty)}")

    def _PrimType(self, node: Any) -> Text:
        return self.type(node)

    _PointerType = _TupleType = _Type = _PrimType

    def _GlobalVar(self, node: Any) -> Text:
        handle = node.__chandle__()
        if handle not in self.names:
            raise CantWrite("a function of another module")
        return self.names[handle]

    def _Call(self, node: Any) -> Text:
        if node.attrs is not None and len(node.attrs.keys()):
            raise CantWrite("attributes of a call")
        args = [self.text(arg) for arg in node.args]
        types: list[Text] = [self.type(each) for each in node.ty_args]
        ty: Text = ("ty=", [self.type(node.ty)], "")
        more: list[Text] = [("ty_args=", [("[", types, "]")], "")] if types else []
        name = compat.call_name(node)
        if not name:
            called = self.text(node.op)
            ret_ty: Text = ("ret_ty=", [self.type(node.ty)], "")
            return ("Call(", [called, ("[", args, "]"), ret_ty, *more], ")")
        return ("operator(", [repr(name), *args, ty, *more], ")")

    def bitwise(self, node: Any) -> Text:
        """An operator that is a node in one release and a call in the other."""
        name = _BITWISE[compat.type_key(node)]
        args = [self.text(each) for each in compat.operands(node)]
        return ("operator(", [repr(name), *args, ("ty=", [self.type(node.ty)], "")], ")")

    _BitwiseAnd = _BitwiseOr = _BitwiseXor = _BitwiseNot = _LShift = _RShift = bitwise

    def _BufferLoad(self, node: Any) -> Text:
        if compat.access_predicate(node) is not None:
            raise CantWrite("a vector predicate")
        buffer = self.text(compat.load_buffer(node))
        return ("tirx.BufferLoad(", [buffer, self.list(node.indices)], ")")

    def _BufferRegion(self, node: Any) -> Text:
        buffer = self.text(compat.region_buffer(node))
        return ("tirx.BufferRegion(", [buffer, self.list(node.region)], ")")

    def _Range(self, node: Any) -> Text:
        return ("span(", [self.text(node.min), self.text(node.extent)], ")")

    def _For(self, node: Any) -> Text:
        args = [self.text(each) for each in (node.loop_var, node.min, node.extent)]
        args += [f"tirx.ForKind.{tirx.ForKind(int(node.kind)).name}", self.text(node.body)]
        more: dict[str, Text] = {}
        if node.thread_binding is not None:
            more["thread_binding"] = self.text(node.thread_binding)
        if len(node.annotations):
            more["annotations"] = self.mapping(node.annotations)
        if node.step is not None:
            more["step"] = self.text(node.step)
        args += [(f"{name}=", [text], "") for name, text in more.items()]
        return ("tirx.For(", args, ")")

    def _AllocBuffer(self, node: Any) -> Text:
        args = [self.text(node.buffer)]
        if len(node.annotations):
            args.append(("annotations=", [self.mapping(node.annotations)], ""))
        return ("tirx.AllocBuffer(", args, ")")

    def _DeclBuffer(self, node: Any) -> Text:
        data: Text = ("data=", [self.text(node.data)], "")
        return ("tirx.DeclBuffer(", [self.text(node.buffer), data], ")")


# Names that a script uses itself.
_RESERVED = frozenset(keyword.kwlist) | frozenset(
    "moved operator i32 OPERATORS Var GlobalVar Call DictAttrs Type PrimType PointerType "
    "TupleType span SBlock SBlockRealize MatchBufferRegion StringImm tvm tirx s_tir tvm_ffi np "
    "float".split()
)


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"float({str(value)!r})"


# --- layout of the text --------------------------------------------------------------------------


def _depth(text: Text) -> int:
    if isinstance(text, str):
        return 0
    return 1 + max(map(_depth, text[1]), default=0)


def _flat(text: Text) -> str:
    if isinstance(text, str):
        return text
    begin, parts, end = text
    return begin + ", ".join(map(_flat, parts)) + end


def _laid_out(text: Text, indent: int) -> list[str]:
    """Lines of at most about `WIDTH` characters, indented by a number of spaces."""
    flat = _flat(text)
    if indent + len(flat) <= WIDTH or isinstance(text, str):
        return [" " * indent + flat]
    begin, parts, end = text
    if not end and len(parts) == 1:  # a name in front of its value
        first, *rest = _laid_out(parts[0], indent)
        return [" " * indent + begin + first.lstrip(), *rest]
    lines = [" " * indent + begin]
    for part in parts:
        *most, last = _laid_out(part, indent + 4)
        lines += [*most, last + ","]
    return [*lines, " " * indent + end]
