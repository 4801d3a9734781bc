"""Intrinsics for tensorize that can be interpreted, since what they do is written in TIR.

Those of TVM call instructions of processors, of which the reference interpreter knows nothing.
These have the same forms, in any extents and dtypes. A name says all:
"mma_4x2x8_int8_int32" adds the product of 4×8 and 8×2 elements of int8 to 4×2 elements of int32. An
implementation runs its loops in another order than the description.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from tvm import s_tir

from harness.schedules.refusal import DoesNotApply

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")
MOST_ELEMENTS = 4096


@dataclass(frozen=True)
class IntrinsicForm:
    """The axes of an intrinsic; those of what it reads, and of what it writes."""

    axes: str
    reads: tuple[str, ...]
    written: str


FORMS = {
    "dot": IntrinsicForm("k", ("k", "k"), ""),
    "gemv": IntrinsicForm("ik", ("ik", "k"), "i"),
    "mma": IntrinsicForm("ijk", ("ik", "kj"), "ij"),
    "mma_t": IntrinsicForm("ijk", ("ik", "jk"), "ij"),  # the second operand is transposed
    **{
        f"copy{rank}": IntrinsicForm("abc"[:rank], ("abc"[:rank],), "abc"[:rank])
        for rank in (1, 2, 3)
    },
    **{f"fill{rank}": IntrinsicForm("abc"[:rank], (), "abc"[:rank]) for rank in (1, 2, 3)},
}
_NAME = re.compile(r"([a-z_]+[1-3]?)_(\d{1,4}(?:x\d{1,4}){0,2})_([a-z]+\d*)_([a-z]+\d*)")

# The same for reproducers, which have the texts of the trace's intrinsics in INTRINSICS.
TEXT = '''
def intrinsic(name):
    """The name of an intrinsic, which is registered."""
    from tvm.script import from_source

    if s_tir.TensorIntrin.get(name, allow_missing=True) is None:
        s_tir.TensorIntrin.register(name, *map(from_source, INTRINSICS[name]))
    return name
'''


def intrinsic(name: str) -> str:
    """The name of an intrinsic, which is registered.

    Raises:
        DoesNotApply: there is no such intrinsic.
    """
    _register(name, sources(name))
    return name


@cache
def _register(name: str, texts: tuple[str, str]) -> None:
    from tvm.script import from_source

    s_tir.TensorIntrin.register(name, *map(from_source, texts))


def sources(name: object) -> tuple[str, str]:
    """The TVMScript of the description and of the implementation.

    Raises:
        DoesNotApply: there is no such intrinsic.
    """
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    form = None if found is None else FORMS.get(found[1])
    if found is None or form is None or not {found[3], found[4]} <= set(DTYPES):
        raise DoesNotApply(f"there is no intrinsic {str(name)[:80]}")
    extents = tuple(map(int, found[2].split("x")))
    if len(extents) != len(form.axes) or not 0 < math.prod(extents) <= MOST_ELEMENTS:
        raise DoesNotApply(f"there is no intrinsic {name}")
    made = _Intrinsic(form, dict(zip(form.axes, extents, strict=True)), found[3], found[4])
    return made.text(blocks=True), made.text(blocks=False)


@dataclass(frozen=True)
class _Intrinsic:
    form: IntrinsicForm
    extents: dict[str, int]
    read: str  # the dtype of what is read
    written: str

    @property
    def operands(self) -> dict[str, str]:
        """The parameters' axes; the last one is written."""
        axes = (*self.form.reads, self.form.written)
        return dict(zip("ABC"[-len(axes) :], axes, strict=True))

    def text(self, *, blocks: bool) -> str:
        """The function; without `blocks` its loops are in the opposite order, and opaque."""
        operands = self.operands
        *reads, target = (f"{name}[{self._region(axes)}]" for name, axes in operands.items())
        lines = [f"def main({', '.join(map(self._parameter, operands))}) -> None:"]
        lines += ['    with T.sblock("root"):']
        lines += [f"        T.reads({', '.join([target] * self._adds + reads)})"]
        lines += [f"        T.writes({target})"]
        depth = 2
        for axis in self.form.axes if blocks else self.form.axes[::-1]:
            lines.append("    " * depth + f"for {axis} in T.serial({self.extents[axis]}):")
            depth += 1
        if blocks:
            lines.append("    " * depth + 'with T.sblock("update"):')
            depth += 1
            lines += ["    " * depth + line for line in self._axes()]
        lines.append("    " * depth + self._store("v" if blocks else ""))
        return "\n".join(["@T.prim_func(s_tir=True)", *lines, ""])

    @property
    def _adds(self) -> bool:
        return len(self.form.reads) == 2

    def _parameter(self, name: str) -> str:
        axes = self.operands[name]
        dtype = self.written if name == "C" else self.read
        shape = ", ".join(str(self.extents[axis]) for axis in axes) or "1"
        return f'{name}: T.Buffer(({shape},), "{dtype}", offset_factor=1)'

    def _region(self, axes: str) -> str:
        return ", ".join(f"0:{self.extents[axis]}" for axis in axes) or "0"

    def _axes(self) -> list[str]:
        kinds = {
            axis: "spatial" if axis in self.form.written else "reduce" for axis in self.form.axes
        }
        return [
            f"v{axis} = T.axis.{kind}({self.extents[axis]}, {axis})" for axis, kind in kinds.items()
        ]

    def _store(self, prefix: str) -> str:
        places = {
            name: f"{name}[{', '.join(prefix + axis for axis in axes) or '0'}]"
            for name, axes in self.operands.items()
        }
        values = [places[name] for name in self.operands if name != "C"]
        if self.read != self.written:
            values = [f'T.Cast("{self.written}", {value})' for value in values]
        if not values:
            value = f"T.{self.written}(0)"
        elif self._adds:
            value = f"{places['C']} + {values[0]} * {values[1]}"
        else:
            value = values[0]
        return f"{places['C']} = {value}"
