"""Matmuls among the equations: a function as C = epilogue(A B), batched or not.

What is a matmul for a fixed choice of other variables is one too: in a convolution the rows are
output channels, the columns places along the last axis, and k is an input channel with a place in
the kernel; the other axes, and the groups of channels, are the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.rewrite import substitute
from jitweb.errors import NotEquations
from jitweb.space import emit
from jitweb.space.approximate import FUNCTIONS
from jitweb.space.equations import Equation, EquationSystem, inlined, loads, read_once, simplify


@dataclass(frozen=True)
class Matmul:
    """sum over k of left * right, then the epilogue.

    Without an epilogue, `epilogue` is the sum's own equation. `row_axis` and `column_axis` are
    places among the spatial variables. The rows may be in `groups`, as of a convolution: then
    `right` depends on the variable `group`.
    """

    system: EquationSystem
    sum: Equation
    epilogue: Equation
    left: Any
    right: Any
    row_axis: int
    column_axis: int
    groups: int = 1
    group: Any = None

    @property
    def rows(self) -> int:
        """The rows of a group."""
        return self.sum.extents[self.row_axis] // self.groups

    @property
    def columns(self) -> int:
        return self.sum.extents[self.column_axis]

    @property
    def column(self) -> Any:
        return self.sum.spatial[self.column_axis]

    @property
    def depth(self) -> int:
        return emit.product(self.sum.reduced_extents)

    @property
    def k_extents(self) -> dict[Any, int]:
        """The reduced variables and their extents, the longest last, as of the innermost loop."""
        order = longest_last(self.sum.reduced_extents)
        return {self.sum.reduced[place]: self.sum.reduced_extents[place] for place in order}

    @property
    def batch(self) -> tuple[int, ...]:
        """The groups, and the extents of the axes that are neither row's nor column's."""
        taken = (self.row_axis, self.column_axis)
        return (self.groups, *(n for axis, n in enumerate(self.sum.extents) if axis not in taken))

    def place(self, batch: list[Any], row: Any, column: Any) -> list[Any]:
        """The indices in C of a row and column."""
        group, *others = batch
        if self.groups > 1:
            row = group * emit.constant(self.rows) + row
        for axis, index in sorted(((self.row_axis, row), (self.column_axis, column))):
            others.insert(axis, index)
        return others

    def table(self, batch: list[Any], row: Any, column: Any, k: Any) -> dict[Any, Any]:
        """The values of the variables of `left` and `right`.

        k counts through all reduced ones, or lists their values in the order of `k_extents`.
        """
        total = self.sum
        table = dict(zip(total.spatial, self.place(batch, row, column), strict=True))
        if isinstance(k, list):
            table |= dict(zip(self.k_extents, k, strict=True))
            return table | ({} if self.group is None else {self.group: batch[0]})
        reduced = emit.row_major(k, total.reduced_extents)
        table |= dict(zip(total.reduced, reduced, strict=True))
        return table | ({} if self.group is None else {self.group: batch[0]})

    @property
    def has_heavy_epilogue(self) -> bool:
        """Whether it calls functions, so that a copy for each row of a tile is too much code."""
        names = {
            compat.call_name(node)
            for node in compat.nodes(self.epilogue.value)
            if isinstance(node, compat.Call)
        }
        return bool(names & FUNCTIONS.keys())

    def weights(self, constants: frozenset[int]) -> dict[int, bool]:
        """The positions of the constants that alone make the right side, if it can be in panels.

        Each is a matrix with a row or a column for each column of C; of the latter it is true. A
        weight in float32 is one constant, a packed one its words and perhaps factors.
        """
        found: dict[int, bool] = {}
        parameters, others = self.system.parameters, (*self.sum.spatial, self.group)
        for load in loads(self.right):
            source, indices = compat.load_buffer(load), list(load.indices)
            known = [place for place in constants if parameters[place].same_as(source)]
            axes = [axis for axis, index in enumerate(indices) if index.same_as(self.column)]
            if not known or len(indices) != 2 or len(axes) != 1:
                return {}
            is_wide = emit.shape_of(source)[axes[0]] != self.columns
            along = indices[1 - axes[0]]
            if is_wide or any(var is not None and uses(along, var) for var in others):
                return {}
            if found.setdefault(known[0], axes[0] == 0) != (axes[0] == 0):
                return {}
        return found

    def row_weights(self, constants: frozenset[int]) -> tuple[int, ...]:
        """The positions of the constants that alone make the left side, with its rows as first
        axis, if they are a packed weight: its words, and perhaps factors."""
        if not self.has_packed_rows:
            return ()
        found: dict[int, None] = {}
        total, parameters = self.sum, self.system.parameters
        row = total.spatial[self.row_axis]
        for load in loads(self.left):
            source, (first, *others) = compat.load_buffer(load), list(load.indices)
            known = [place for place in constants if parameters[place].same_as(source)]
            is_whole = emit.shape_of(source)[0] == total.extents[self.row_axis]
            if not known or not is_whole or not first.same_as(row):
                return ()
            if any(uses(index, var) for index in others for var in total.spatial):
                return ()
            found[known[0]] = None
        return tuple(found)

    @cached_property
    def has_packed_rows(self) -> bool:
        """Whether the left side is made of a packed weight."""
        return any(map(_is_shift, compat.nodes(self.left)))

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """How many k share a scale of a packed weight, and how many a word; else none."""
        if len(self.sum.reduced) > 1 or not any(map(_is_shift, compat.nodes(self.right))):
            return ()
        divided = [
            node
            for node in compat.nodes(self.right)
            if compat.type_key(node) in ("FloorDiv", "FloorMod")
            and node.a.same_as(self.sum.reduced[0])
        ]
        return tuple(sorted({int(node.b) for node in divided}, reverse=True))


def longest_last(extents: Sequence[int]) -> list[int]:
    """The places of these extents in their order, but for that of the longest, which is last."""
    places = list(range(len(extents)))
    places.append(places.pop(max(places, key=lambda place: (extents[place], place))))
    return places


@read_once
def read_matmul(function: Any, kept: AbstractSet[Any] = frozenset()) -> Matmul:
    """The function as a matmul; equations of the buffers `kept` are not substituted.

    Raises:
        NotEquations: it is not a matmul, or of another form than above.
    """
    system = inlined(function, kept)
    sums = [equation for equation in system.equations if equation.is_reduction]
    others = [
        each for each in system.equations if not each.is_reduction and each.buffer not in kept
    ]
    if len(sums) != 1 or len(others) > 1 or len(system.outputs) != 1:
        raise NotEquations("it is not one sum with an epilogue")
    total = sums[0]
    if not total.reduced or len(total.spatial) < 2:
        raise NotEquations("its sum is not of a matrix")
    epilogue = others[0] if others else total
    if epilogue is not total and not _reads_in_place(epilogue, total):
        raise NotEquations("its epilogue reads the product elsewhere than where it writes")
    return _with_factors(system, total, epilogue)


def _is_shift(node: Any) -> bool:
    return compat.operator_key(node) == "RShift"


def _reads_in_place(epilogue: Equation, total: Equation) -> bool:
    if epilogue.extents != total.extents:
        return False
    for load in loads(epilogue.value):
        if not compat.load_buffer(load).same_as(total.buffer):
            continue
        for found, var, extent in zip(
            load.indices, epilogue.spatial, epilogue.extents, strict=True
        ):
            if not found.same_as(var) and not (extent == 1 and _is_zero(found)):
                return False
    return True


def _is_zero(expression: Any) -> bool:
    return isinstance(expression, compat.IntImm) and int(expression) == 0


def _with_factors(system: EquationSystem, total: Equation, epilogue: Equation) -> Matmul:
    """The matmul of the sum: the factor without the column and the one without the row."""
    value, init = total.value, total.init
    if not (isinstance(init, compat.FloatImm) and float(init) == 0.0):
        raise NotEquations("its sum does not start from zero")
    if compat.type_key(value) != "Add" or compat.type_key(value.b) != "Mul":
        raise NotEquations("it does not add up products")
    last = len(total.spatial) - 1
    longer = [axis for axis in range(last) if total.extents[axis] > 1]
    columns = [last] if total.extents[last] > 1 else [last, *longer[-1:]]
    if len(total.reduced) > 1:  # a convolution of columns of one element
        columns.reverse()
    for column in columns:
        for left, right in ((value.b.a, value.b.b), (value.b.b, value.b.a)):
            if not uses(left, total.spatial[column]):
                matmul = Matmul(system, total, epilogue, left, right, column - 1, column)
                found = _with_row(matmul)
                if found is not None:
                    return found
    raise NotEquations("a factor depends on row and column")


def _with_row(matmul: Matmul) -> Matmul | None:
    """The matmul with the axis as row that only the left factor depends on, if there is one.

    The axis before the column is preferred, else the longest. Without one, rows may be in groups.
    """
    total, right = matmul.sum, matmul.right
    axes = {
        axis: var
        for axis, var in enumerate(total.spatial)
        if axis != matmul.column_axis and not uses(right, var)
    }
    before = matmul.column_axis - 1
    if before in axes and (total.extents[before] > 1 or not uses(right, matmul.column)):
        return matmul
    if not uses(right, matmul.column):
        return None
    used = [axis for axis, var in enumerate(total.spatial) if uses(matmul.left, var)]
    rows = [axis for axis in axes if axis in used]
    if used and not rows:
        return _grouped(replace(matmul, row_axis=used[-1]))
    if not axes:
        return None
    return replace(matmul, row_axis=max(rows or axes, key=lambda axis: total.extents[axis]))


def _grouped(matmul: Matmul) -> Matmul | None:
    """The matmul with the right factor by the row's group: the row divided by a constant."""
    total = matmul.sum
    row, extent = total.spatial[matmul.row_axis], total.extents[matmul.row_axis]
    sizes = {
        int(node.b)
        for node in compat.nodes(matmul.right)
        if compat.type_key(node) == "FloorDiv" and node.a.same_as(row)
    }
    size = max(sizes, default=1)
    if extent % size:
        return None
    group, within = (tirx.Var(name, compat.dtype_of(row)) for name in ("group", "within"))
    variables, counts = total.spatial + total.reduced, total.extents + total.reduced_extents
    extents = {**dict(zip(variables, counts, strict=True)), group: extent // size, within: size}
    right = simplify(substitute(matmul.right, {row: group * size + within}), extents)
    if uses(right, within):
        return None
    return replace(matmul, right=right, groups=extent // size, group=group)


def uses(expression: Any, var: Any) -> bool:
    """Whether a variable is in an expression."""
    found = (node for node in compat.nodes(expression) if isinstance(node, compat.Var))
    return any(node.same_as(var) for node in found)
