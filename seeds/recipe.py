"""Recipe: a seed before it is built, and the two usual ways to write one.

Each family of seeds is a file with a list of recipes. The catalogue (`seeds.library`) builds them
only when it is used, because legalising and parsing all of them takes many seconds.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import IRModule, te
from tvm.script import from_source

DTYPES = {
    "f16": "float16",
    "bf16": "bfloat16",
    "f32": "float32",
    "f64": "float64",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "bool": "bool",
}


@dataclass(frozen=True)
class Recipe:
    """The name of a seed ("topi/conv2d_nchw-1x3x7x5-f32"), its family and how to build it.

    `build` returns an IRModule with a public PrimFunc "main", the same one every time; if it
    raises, the installed TVM can't build this seed.
    """

    name: str
    family: str
    build: Callable[[], IRModule]


def module_of(function: Any) -> IRModule:
    """An IRModule whose only function is this PrimFunc, public and named "main"."""
    return IRModule({"main": function.with_attr("global_symbol", "main")})


def from_tensors(tensors: Sequence[te.Tensor]) -> IRModule:
    """The module that computes the last tensors from the first, which are placeholders."""
    return module_of(te.create_prim_func(list(tensors)))


def from_operator(
    family: str, label: str, compute: Callable[..., te.Tensor | list[te.Tensor]], *specs: str
) -> Recipe:
    """A recipe of one operator on tensors like "7x5-f32", named after it and the first tensor."""

    def build() -> IRModule:
        inputs = [placeholder(spec, f"x{index}") for index, spec in enumerate(specs)]
        outputs = compute(*inputs)
        return from_tensors([*inputs, *([outputs] if isinstance(outputs, te.Tensor) else outputs)])

    return Recipe(f"{family}/{label}-{specs[0]}", family, build)


def placeholder(spec: str, name: str) -> te.Tensor:
    """An input tensor of a shape and abbreviated dtype: "3x1x9-f32", "7-i8", "4x4-bool"."""
    shape, dtype = spec.split("-")
    return te.placeholder([int(extent) for extent in shape.split("x")], DTYPES[dtype], name)


def from_script(text: str) -> IRModule:
    """The module of one or more TVMScript function definitions without decorators.

    "main" becomes public, every other function private.
    """
    lines: list[str] = ["@I.ir_module", "class Module:"]
    for line in textwrap.dedent(text).strip().splitlines():
        if line.startswith("def "):
            private = "" if line.startswith("def main(") else "private=True, "
            lines.append(f"    @T.prim_func({private}s_tir=True)")
        lines.append(f"    {line}" if line else "")
    return from_source("\n".join(lines) + "\n")
