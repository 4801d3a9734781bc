"""The expected outputs of a kernel, with NumPy, which verify every candidate before it is timed.

It evaluates the blocks of the importer's function in float64, with one array operation for each
node of an expression. It shares only the parsing of blocks with the kernels, and is fast enough for
a model's real shapes, which the harness's interpreter is not; the tests compare the two.
"""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from harness import compat
from harness.passes.build import plain_build
from harness.targets import get_target
from jitweb.errors import NotEquations
from jitweb.space.equations import Equation, read_equations

_erf = np.vectorize(math.erf, otypes=[np.float64])

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Min": np.minimum, "Max": np.maximum,
    "FloorDiv": np.floor_divide, "FloorMod": np.mod, "Mod": np.fmod,
    "EQ": np.equal, "NE": np.not_equal,
    "LT": np.less, "LE": np.less_equal, "GT": np.greater, "GE": np.greater_equal,
    "And": np.logical_and, "Or": np.logical_or,
}  # fmt: skip
CALLS: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "tanh": np.tanh, "sqrt": np.sqrt, "log": np.log, "pow": np.power, "erf": _erf,
    "fabs": np.abs, "floor": np.floor, "ceil": np.ceil, "round": np.rint, "nearbyint": np.rint,
    "trunc": np.trunc, "sin": np.sin, "cos": np.cos,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "isnan": np.isnan,
}  # fmt: skip
# Of integers.
BITWISE: dict[str, Callable[[Any, Any], Any]] = {
    "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor,
    "LShift": np.left_shift, "RShift": np.right_shift,
}  # fmt: skip
REDUCE: dict[str, Callable[..., Any]] = {
    "Add": np.sum, "Mul": np.prod, "Max": np.max, "Min": np.min,
}  # fmt: skip


MOST_AT_ONCE = 1 << 24  # elements of a factor


class NotEvaluable(ValueError):
    """A node that this evaluator doesn't support."""


def evaluate(function: Any, arguments: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    """The function's outputs for these arguments, by their positions among the parameters.

    Floats are float64, whatever dtype they are stored as.

    Raises:
        NotEquations, NotEvaluable: the function's form is not supported.
    """
    system = read_equations(function)
    held: dict[Any, np.ndarray] = {}
    for parameter, argument in zip(system.parameters, arguments, strict=True):
        is_float = np.issubdtype(argument.dtype, np.floating)
        held[parameter] = argument.astype(np.float64) if is_float else argument
    with np.errstate(all="ignore"):
        for equation in system.equations:
            held[equation.buffer] = _evaluate(equation, held)
    outputs = {}
    for position, parameter in enumerate(system.parameters):
        if any(parameter.same_as(output) for output in system.outputs):
            outputs[position] = held[parameter]
    return outputs


def run_function(
    function: Any, inputs: Sequence[np.ndarray], dtype: Any = None
) -> list[np.ndarray]:
    """The outputs of a function for its inputs, in the dtypes of its parameters (or in `dtype`).

    With NumPy, or with TVM's plain build if the function's form is not supported.
    """
    written = list(function.params)[len(inputs) :]
    outputs = [
        np.zeros([int(extent) for extent in buffer.ty.shape], str(buffer.ty.dtype))
        for buffer in written
    ]
    try:
        found = evaluate(function, [*inputs, *outputs])
        results = [found[len(inputs) + number] for number in range(len(outputs))]
    except (NotEquations, NotEvaluable):
        results = run_plainly(function, [*inputs, *outputs])[len(inputs) :]
    kinds = [dtype or output.dtype for output in outputs]
    with np.errstate(all="ignore"):
        return [result.astype(kind) for result, kind in zip(results, kinds, strict=True)]


def run_by_tvm(function: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a function for its inputs, by TVM's plain build for this processor."""
    outputs = [
        np.zeros([int(extent) for extent in buffer.ty.shape], str(buffer.ty.dtype))
        for buffer in list(function.params)[len(inputs) :]
    ]
    return run_plainly(function, [*inputs, *outputs])[len(inputs) :]


def run_plainly(
    function: Any, arguments: Sequence[np.ndarray], target: str = "llvm"
) -> list[np.ndarray]:
    """Run TVM's plain build of the function on copies of the arguments; returns the copies.

    What is divided by an integer that is zero is some number: a trap would end this process.
    """
    kinds = (tirx.Div, tirx.Mod, tirx.FloorDiv, tirx.FloorMod)
    body = tvm_ffi.structural_map(function.body, [(kind, _without_trap) for kind in kinds])
    function = function.with_body(body).with_attr("global_symbol", "main")
    module = tvm.IRModule({"main": function})
    copies = [np.array(argument) for argument in arguments]
    plain_build(module, get_target(target)).run(copies)
    return copies


def _without_trap(division: Any) -> Any:
    dtype = compat.dtype_of(division.b)
    if dtype.startswith("float") or isinstance(division.b, compat.IntImm):
        return division
    one, zero = tirx.const(1, dtype), tirx.const(0, dtype)
    return type(division)(division.a, tirx.Select(tirx.EQ(division.b, zero), one, division.b))


def _evaluate(equation: Equation, held: dict[Any, np.ndarray]) -> np.ndarray:
    if not equation.is_reduction:
        value = _Expression(equation.spatial, equation.extents, held).value(equation.value)
        return np.array(np.broadcast_to(value, equation.extents))
    kind = compat.type_key(equation.value)
    if kind not in REDUCE:
        raise NotEvaluable(f"a reduction by {kind}")
    own, other = equation.value.a, equation.value.b
    if not (
        isinstance(own, compat.BufferLoad) and compat.load_buffer(own).same_as(equation.buffer)
    ):
        own, other = other, own
    product = _as_product(equation, other, held) if kind == "Add" else None
    if product is not None:
        return product
    extents = equation.extents + equation.reduced_extents
    expression = _Expression(equation.spatial + equation.reduced, extents, held)
    value = np.broadcast_to(expression.value(other), extents)
    axes = tuple(range(len(equation.extents), len(extents)))
    return np.asarray(REDUCE[kind](value, axis=axes))


def _as_product(equation: Equation, value: Any, held: dict[Any, np.ndarray]) -> np.ndarray | None:
    """A sum of products by einsum, as all at once wouldn't fit into memory.

    A factor is evaluated over the variables that it depends on. Where that is still too much, as of
    a convolution's source, the reduced variables take their values one after another.
    """
    if compat.type_key(value) != "Mul":
        return None
    variables = equation.spatial + equation.reduced
    letters = dict(zip(variables, string.ascii_letters, strict=False))
    extents = dict(zip(variables, equation.extents + equation.reduced_extents, strict=True))
    factors = [
        (factor, [var for var in variables if any(var.same_as(n) for n in compat.nodes(factor))])
        for factor in (value.a, value.b)
    ]
    stepped: list[Any] = []
    for var in sorted(equation.reduced, key=lambda each: extents[each]):
        sizes = (
            math.prod(extents[each] for each in used if each not in stepped) for _, used in factors
        )
        if max(sizes) > MOST_AT_ONCE:
            stepped.append(var)
    kept = [letters[var] for var in equation.spatial]
    total: Any = 0.0
    for places in itertools.product(*(range(extents[var]) for var in stepped)):
        fixed = dict(zip(stepped, places, strict=True))
        operands, subscripts = [], []
        for factor, used in factors:
            free = {var: extents[var] for var in used if var not in fixed}
            operands.append(_factor(factor, free, fixed, held))
            subscripts.append("".join(letters[var] for var in free))
        present = [letter for letter in kept if any(letter in part for part in subscripts)]
        result = np.einsum(f"{','.join(subscripts)}->{''.join(present)}", *operands, optimize=True)
        shape = [
            extent if letter in present else 1
            for letter, extent in zip(kept, equation.extents, strict=True)
        ]
        total = total + result.reshape(shape)
    return np.array(np.broadcast_to(total, equation.extents))


def _factor(
    factor: Any, free: dict[Any, int], fixed: dict[Any, int], held: dict[Any, np.ndarray]
) -> np.ndarray:
    """A factor for all values of the free variables: a view of the array where it is a plain load.

    Its axes are in the order of the variables.
    """
    if isinstance(factor, compat.BufferLoad):
        array, axes = held[compat.load_buffer(factor)], []
        for axis, index in reversed(list(enumerate(factor.indices))):
            if isinstance(index, compat.IntImm):
                array = array.take(int(index), axis=axis)
            elif isinstance(index, compat.Var) and index in free:
                axes.append(index)
        if len(axes) == array.ndim == len(free) == len(set(axes)):
            axes.reverse()
            return array.transpose([axes.index(var) for var in free])
    shape = tuple(free.values())
    value = _Expression(tuple(free), shape, held, fixed).value(factor)
    return np.broadcast_to(value, shape)


class _Expression:
    """Evaluates expressions over a whole domain at once."""

    def __init__(
        self,
        variables: Sequence[Any],
        extents: Sequence[int],
        held: dict[Any, Any],
        fixed: Mapping[Any, int] | None = None,
    ) -> None:
        self._held = held
        self._places: dict[Any, Any] = dict(fixed or {})
        for axis, (var, extent) in enumerate(zip(variables, extents, strict=True)):
            shape = [1] * len(extents)
            shape[axis] = extent
            self._places[var] = np.arange(extent).reshape(shape)

    def value(self, node: Any) -> Any:
        kind = compat.operator_key(node)
        if kind in BINARY:
            return BINARY[kind](self.value(node.a), self.value(node.b))
        if kind in BITWISE:
            return self._bitwise(kind, node)
        if isinstance(node, compat.Var):
            return self._places[node]
        if kind == "IntImm":
            return int(node)
        if kind == "FloatImm":
            return float(node)
        if kind == "BufferLoad":
            return self._load(node)
        if kind == "Cast":
            return _cast(self.value(node.value), compat.dtype_of(node))
        if kind == "Select":
            parts = (node.condition, node.true_value, node.false_value)
            return np.where(*(self.value(part) for part in parts))
        if kind == "Not":
            return np.logical_not(self.value(node.a))
        if kind == "Div":
            return self._divide(node)
        if kind == "Let":
            self._places[node.var] = self.value(node.value)
            return self.value(node.body)
        if kind == "Call":
            return self._call(node)
        raise NotEvaluable(kind)

    def _load(self, node: Any) -> Any:
        array = self._held[compat.load_buffer(node)]
        # Out of range only where a condition keeps the value from being used.
        indices = [
            np.clip(self.value(index), 0, extent - 1)
            for index, extent in zip(node.indices, array.shape, strict=True)
        ]
        return array[tuple(indices)] if indices else array[()]

    def _divide(self, node: Any) -> Any:
        left, right = self.value(node.a), self.value(node.b)
        if compat.dtype_of(node).startswith("float"):
            return np.true_divide(left, right)
        quotient = np.floor_divide(left, right)
        is_below = (np.multiply(quotient, right) != left) & ((left < 0) != (right < 0))
        return quotient + is_below  # towards zero

    def _bitwise(self, name: str, node: Any) -> Any:
        dtype = compat.dtype_of(node)
        left, right = (np.asarray(self.value(each), dtype) for each in compat.operands(node))
        return BITWISE[name](left, right)

    def _call(self, node: Any) -> Any:
        name = compat.call_name(node)
        if name == "if_then_else":
            return np.where(*(self.value(argument) for argument in node.args))
        if name == "reinterpret":
            bits = np.asarray(self.value(node.args[0]), compat.dtype_of(node.args[0]))
            return bits.view(compat.dtype_of(node)).astype(np.float64)
        if name not in CALLS:
            raise NotEvaluable(f"a call of {name}")
        return CALLS[name](*(self.value(argument) for argument in node.args))


def _cast(value: Any, dtype: str) -> Any:
    if dtype.startswith("float"):
        return np.asarray(value, np.float64)
    if dtype == "bool":
        return np.asarray(value) != 0
    whole = value if np.asarray(value).dtype.kind in "iub" else np.trunc(value)
    return np.asarray(whole).astype(dtype)
