"""The plan: what a model does, as a list of kernel calls over numbered slots of memory.

The importer makes it, the tuner fills in kernels, the bundle writes it, the runtime follows it. It
knows nothing of TVM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from jitweb.extent import Opening, extent_from_json, extent_json, shape_at

# What the runtime has typed arrays for, and the bytes of an element.
DTYPES = {
    "float32": 4, "float64": 8, "int64": 8, "int32": 4,
    "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip


def nbytes(dtype: str, shape: Sequence[int]) -> int:
    """The bytes of an array."""
    return DTYPES[dtype] * math.prod(shape)


@dataclass(frozen=True)
class Tensor:
    """An input or output of the model.

    `dtype` is what the user passes, `stored` what kernels read: int64 is stored as int32, or as
    int64 where WebAssembly is the only target and values may leave 32 bits. `range` is the least
    and the greatest that an integer input may hold, where it may not hold all.
    """

    name: str
    dtype: str
    stored: str
    shape: tuple[int, ...]
    slot: int
    range: tuple[int, int] | None = None

    @classmethod
    def from_json(cls, entry: Mapping[str, Any], most: int = 1) -> Self:
        """A tensor as a plan that was checked holds it; `most` is that of its open length."""
        texts = (entry["name"], entry["dtype"], entry["stored"])
        ends, shape = entry.get("range"), (extent_from_json(each, most) for each in entry["shape"])
        return cls(*texts, tuple(shape), entry["slot"], ends and (ends[0], ends[1]))

    def at(self, length: int | None) -> Tensor:
        """The tensor at a length."""
        return replace(self, shape=shape_at(self.shape, length))


Condition = Mapping[str, bool]  # the values of boolean inputs


@dataclass(frozen=True)
class Variant:
    """What a bundle takes and returns where a condition on its inputs holds.

    These inputs are among `inputs`, though no kernel reads them. Without a condition it is the
    only variant. Where a length is `open`, shapes depend on it.
    """

    when: Condition
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    open: Opening | None = None

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """A variant as a plan that was checked holds it."""
        found = entry.get("open")
        opening = Opening(found["name"], found["most"]) if found else None
        most = opening.most if opening else 1
        inputs, outputs = (
            tuple(Tensor.from_json(each, most) for each in entry[role])
            for role in ("inputs", "outputs")
        )
        return cls(entry["when"], inputs, outputs, opening)

    def at(self, length: int | None = None) -> Variant:
        """The variant at a length, without an open one; the most by default."""
        if self.open is None:
            return self
        inputs, outputs = (
            tuple(each.at(length) for each in tensors) for tensors in (self.inputs, self.outputs)
        )
        return Variant(self.when, inputs, outputs)


def variants_of(plan: Mapping[str, Any]) -> list[Variant]:
    """The variants of a plan that was checked."""
    return [Variant.from_json(entry) for entry in plan["variants"]]


def condition_text(when: Condition) -> str:
    """A condition as `--set` takes it, "" for none."""
    return ",".join(f"{name}={str(value).lower()}" for name, value in when.items())


@dataclass(frozen=True)
class Slot:
    """An operand that is an activation: the slot's number."""

    index: int


@dataclass(frozen=True)
class Weight:
    """An operand that is constant: the weight's name."""

    name: str


Operand = Slot | Weight


@dataclass(frozen=True)
class Call:
    """One call of a task's kernel; operands in the order of its parameters."""

    task: str
    args: tuple[Operand, ...]


@dataclass(frozen=True)
class Task:
    """A distinct kernel. `flops` and `bytes` are of one call, `shapes` those of its parameters."""

    key: str
    name: str
    kind: str
    flops: float
    bytes: float
    sites: int
    shapes: tuple[tuple[int, ...], ...]
    writes: tuple[int, ...]
    constants: frozenset[int]  # parameters that are weights at every call


@dataclass(frozen=True)
class Plan:
    """A model, or what it is where the condition `when` on its inputs holds: see Variant.

    Its boundary, the bytes of each slot, the calls in order, and their tasks by key.
    """

    model: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    slots: tuple[int, ...]
    calls: tuple[Call, ...]
    tasks: Mapping[str, Task]
    when: Condition = field(default_factory=dict)
    open: Opening | None = None

    def at(self, length: int | None) -> Plan:
        """The plan at a length, without an open one; None is the most."""
        tasks = {
            key: replace(task, shapes=tuple(shape_at(each, length) for each in task.shapes))
            for key, task in self.tasks.items()
        }
        inputs, outputs = (
            tuple(each.at(length) for each in tensors) for tensors in (self.inputs, self.outputs)
        )
        return replace(self, inputs=inputs, outputs=outputs, tasks=tasks, open=None)

    def to_json(self) -> dict[str, Any]:
        """What of a variant is the same for every target, as plan.json holds it."""
        return {
            "when": dict(self.when),
            **({} if self.open is None else {"open": asdict(self.open)}),
            "inputs": [_boundary(tensor) for tensor in self.inputs],
            "outputs": [_boundary(tensor) for tensor in self.outputs],
            "slots": list(self.slots),
        }


def shared_tasks(plans: Sequence[Plan]) -> dict[str, Task]:
    """The tasks of a model's variants, with the sites of all."""
    shared: dict[str, Task] = {}
    for key, task in (item for plan in plans for item in plan.tasks.items()):
        known = shared.get(key)
        shared[key] = (
            task
            if known is None
            else replace(
                known, sites=known.sites + task.sites, constants=known.constants & task.constants
            )
        )
    return shared


def task_json(task: Task) -> dict[str, Any]:
    """A task as plan.json holds it."""
    return {
        "kind": task.kind,
        "name": task.name,
        "flops": task.flops,
        "bytes": task.bytes,
        "sites": task.sites,
    }


def _boundary(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "stored": tensor.stored,
        "shape": [extent_json(extent) for extent in tensor.shape],
        "slot": tensor.slot,
        **({} if tensor.range is None else {"range": list(tensor.range)}),
    }
