"""Helpers that make a program from TVMScript and run it under the reference semantics."""

from __future__ import annotations

import textwrap
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tvm
from tvm import tirx
from tvm.script import from_source

from harness.semantics import UndefinedBehaviour, compile_program
from harness.semantics.inputs import numpy_dtype

__all__ = ["array", "evaluate", "ml_dtypes", "module", "run", "undefined"]


def module(text: str) -> Any:
    """The module of TVMScript function definitions without decorators."""
    lines = ["@I.ir_module", "class Module:"]
    for line in textwrap.dedent(text).strip().splitlines():
        if line.startswith("def "):
            private = "" if line.startswith("def main(") else "private=True, "
            lines.append(f"    @T.prim_func({private}s_tir=True)")
        lines.append(f"    {line}")
    return from_source("\n".join(lines) + "\n")


def array(values: Any, dtype: str) -> np.ndarray:
    """An array of a TVM dtype."""
    return np.array(values).astype(numpy_dtype(dtype))


def run(program: Any, *args: Any) -> list[Any]:
    """Run TVMScript or a module; returns the arguments, which are changed in place."""
    made = compile_program(module(program) if isinstance(program, str) else program)
    values = [np.int32(value) if type(value) is int else value for value in args]
    made.run(values)
    return values


def undefined(program: Any, *args: Any) -> str:
    """The kind of undefined behaviour of the program on these arguments."""
    with pytest.raises(UndefinedBehaviour) as caught:
        run(program, *args)
    return caught.value.kind


def evaluate(build: Any, *operands: tuple[str, Any]) -> Any:
    """The value of the expression `build(a, b)`, whose operands are (dtype, value) pairs."""
    variables = [tirx.Var(f"x{i}", dtype) for i, (dtype, _) in enumerate(operands)]
    expression = build(*variables)
    result = tirx.decl_buffer((1,), str(expression.ty.dtype), "result")
    function = tirx.PrimFunc([*variables, result], tirx.BufferStore(result, expression, [0]))
    output = array([0], str(expression.ty.dtype))
    scalars = [array(value, dtype)[()] for dtype, value in operands]
    compile_program(tvm.IRModule({"main": function})).run([*scalars, output])
    return output[0]
