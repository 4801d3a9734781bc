"""Convolutions among the equations: matmuls of which a factor is a window of a padded source.

Windows may have any number of axes: Conv1d, Conv2d and Conv3d, with strides, dilations and groups,
are of one form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.rewrite import substitute
from jitweb.errors import NotEquations
from jitweb.space import emit
from jitweb.space.equations import Equation, loads, read_equations, read_once, simplify
from jitweb.space.matmul_equations import Matmul, read_matmul, uses


@dataclass(frozen=True)
class Axis:
    """An axis of the padded source, read at `constant` + the sum of `terms`.

    Between `low` and `high` it holds the source's elements, `offset` further on; else zeros.
    """

    constant: int
    terms: Mapping[Any, int]
    low: int
    high: int
    offset: int

    def at(self, places: Mapping[Any, Any]) -> Any:
        """The part of the index that comes from these variables."""
        total: Any = emit.constant(0)
        for var, factor in self.terms.items():
            if var in places:
                total = total + places[var] * emit.constant(factor)
        return total

    def extent(self, spans: Mapping[Any, int]) -> int:
        """How many elements are read while each variable takes so many values."""
        return 1 + sum(factor * (spans.get(var, 1) - 1) for var, factor in self.terms.items())

    def steps(self, spans: Mapping[Any, int]) -> list[int]:
        """What the values of these variables add to the index."""
        found = [0]
        for var, factor in self.terms.items():
            found = [each + factor * step for each in found for step in range(spans.get(var, 1))]
        return found


@dataclass(frozen=True)
class Convolution:
    """A matmul whose right factor is a window of the parameter `source`.

    The columns lie along the axis `vector` of the source, `stride` elements apart.
    """

    matmul: Matmul
    source: Any
    axes: tuple[Axis, ...]
    vector: int

    @property
    def stride(self) -> int:
        return self.axes[self.vector].terms[self.matmul.column]


@read_once
def read_convolution(function: Any) -> Convolution:
    """The function as a convolution.

    Raises:
        NotEquations: it is not one.
    """
    padded = _windowed(function)
    matmul = read_matmul(function, frozenset({padded}))
    right, total = matmul.right, matmul.sum
    if not isinstance(right, compat.BufferLoad):
        raise NotEquations("its right factor is computed")
    if not compat.load_buffer(right).same_as(padded):
        raise NotEquations("its window is of the other factor")
    (equation,) = (each for each in matmul.system.equations if each.buffer.same_as(padded))
    source, offsets, ranges = _padding(equation)
    if not any(source.same_as(parameter) for parameter in matmul.system.parameters):
        raise NotEquations("its source is computed")
    variables = (*total.spatial, *total.reduced)
    extents = dict(zip(variables, total.extents + total.reduced_extents, strict=True))
    if matmul.group is not None:
        extents[matmul.group] = matmul.groups
    axes = tuple(
        Axis(*_linear(index, extents), low, high, offset)
        for index, (low, high), offset in zip(right.indices, ranges, offsets, strict=True)
    )
    along = [place for place, axis in enumerate(axes) if matmul.column in axis.terms]
    if len(along) != 1 or any(factor < 1 for axis in axes for factor in axis.terms.values()):
        raise NotEquations("its columns don't lie along one axis")
    return Convolution(matmul, source, axes, along[0])


def _windowed(function: Any) -> Any:
    """The intermediate buffer that the function's sum reads at sums of variables."""
    system = read_equations(function)
    sums = [equation for equation in system.equations if equation.is_reduction]
    made = [equation.buffer for equation in system.equations]
    for load in loads(sums[0].value) if len(sums) == 1 else ():
        buffer = compat.load_buffer(load)
        is_plain = all(isinstance(index, compat.Var | compat.IntImm) for index in load.indices)
        if not is_plain and any(buffer.same_as(each) for each in made):
            return buffer
    raise NotEquations("its sum is over no window")


def _padding(equation: Equation) -> tuple[Any, list[int], list[tuple[int, int]]]:
    """A padded copy: its source, and by axis the offset in it, and where it isn't padding."""
    value, ranges = equation.value, dict(zip(equation.spatial, equation.extents, strict=True))
    bounds = {var: (0, extent) for var, extent in ranges.items()}
    if isinstance(value, compat.Call) and compat.call_name(value) == "if_then_else":
        condition, value, zero = value.args
        if not (isinstance(zero, compat.FloatImm) and float(zero) == 0.0):
            raise NotEquations("its padding is not zero")
        for part in _conjuncts(condition):
            var, low, high = _bounds(part, ranges)
            bounds[var] = (max(low, bounds[var][0]), min(high, bounds[var][1]))
    if not isinstance(value, compat.BufferLoad):
        raise NotEquations("its source is computed")
    offsets = []
    for index, var in zip(value.indices, equation.spatial, strict=True):
        constant, terms = _linear(index, ranges)
        if terms != ({var: 1} if ranges[var] > 1 else {}):
            raise NotEquations("its source is not copied in order")
        offsets.append(constant)
    return compat.load_buffer(value), offsets, [bounds[var] for var in equation.spatial]


def _conjuncts(condition: Any) -> list[Any]:
    if compat.type_key(condition) == "And":
        return [*_conjuncts(condition.a), *_conjuncts(condition.b)]
    return [condition]


def _bounds(condition: Any, ranges: Mapping[Any, int]) -> tuple[Any, int, int]:
    """The variable that a comparison is of, and the range of its values for which it is true."""
    kind = compat.type_key(condition)
    if kind not in ("LT", "LE", "GT", "GE"):
        raise NotEquations("its padding is under another condition")
    constant, terms = _linear(condition.a - condition.b, ranges)
    if kind in ("GT", "GE"):
        constant, terms = -constant, {var: -factor for var, factor in terms.items()}
    if list(terms.values()) not in ([1], [-1]):
        raise NotEquations("its padding is under another condition")
    ((var, factor),) = terms.items()
    most = -1 if kind in ("LT", "GT") else 0  # of factor * var + constant
    if factor == 1:
        return var, 0, most - constant + 1
    return var, constant - most, ranges[var]


def _linear(index: Any, extents: Mapping[Any, int]) -> tuple[int, dict[Any, int]]:
    """An index as a constant and the factors of its variables.

    Raises:
        NotEquations: it isn't linear.
    """
    used = [var for var in extents if uses(index, var)]

    def value(ones: Sequence[Any]) -> int:
        table = {var: tirx.IntImm(compat.dtype_of(var), int(var in ones)) for var in used}
        found = simplify(substitute(index, table), {})
        if not isinstance(found, compat.IntImm):
            raise NotEquations("an index depends on values")
        return int(found)

    constant = value([])
    terms = {var: value([var]) - constant for var in used}
    line: Any = tirx.IntImm(compat.dtype_of(index), constant)
    for var, factor in terms.items():
        line = line + var * tirx.IntImm(compat.dtype_of(var), factor)
    difference = simplify(index - line, extents)
    if not (isinstance(difference, compat.IntImm) and int(difference) == 0):
        raise NotEquations("an index is not linear")
    return constant, {var: factor for var, factor in terms.items() if factor and extents[var] > 1}


def weight_position(matmul: Matmul, constants: frozenset[int]) -> int | None:
    """The parameter's position if the left side is a whole weight, rows first, then k in order."""
    if not isinstance(matmul.left, compat.BufferLoad):
        return None
    total = matmul.sum
    wanted = (total.spatial[matmul.row_axis], *total.reduced)
    extents = (total.extents[matmul.row_axis], *total.reduced_extents)
    indices = list(matmul.left.indices)
    if len(indices) != len(wanted) or not all(
        index.same_as(var) or extent == 1
        for index, var, extent in zip(indices, wanted, extents, strict=True)
    ):
        return None
    source = compat.load_buffer(matmul.left)
    for position, parameter in enumerate(matmul.system.parameters):
        if parameter.same_as(source) and position in constants:
            return position if compat.static_shape(parameter) == extents else None
    return None
