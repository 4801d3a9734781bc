"""What a converter gets: a node's operands in Relax, their values where constant, attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import relax


@dataclass(frozen=True)
class Node:
    """`inputs` are Relax expressions (None: not given), `values` their values where constant."""

    builder: Any  # relax.BlockBuilder
    name: str
    inputs: Sequence[Any]
    values: Sequence[np.ndarray | None]
    shapes: Sequence[tuple[int, ...]]
    attributes: Mapping[str, Any]
    outputs: int
    note: str = ""  # its doc_string

    def emit(self, function: Callable[..., Any], *inputs: Any) -> Any:
        """Emit a kernel: a function of te.Tensors."""
        return self.builder.emit_te(function, *inputs, primfunc_name_hint=self.name)

    def constant(self, position: int) -> np.ndarray:
        """The value of an input.

        Raises:
            ValueError: it isn't constant.
        """
        value = self.values[position] if position < len(self.values) else None
        if value is None:
            raise ValueError(f"input {position} of {self.name} is computed, and has to be constant")
        return value

    @property
    def is_float(self) -> bool:
        """Whether the first input is of floats."""
        return str(self.inputs[0].ty.dtype.dtype).startswith("float")

    def axis(self, default: int, position: int = 0) -> int:
        """The attribute `axis`, counted from the front of an input's axes."""
        return int(self.attributes.get("axis", default)) % len(self.shapes[position])


def as_constant(array: np.ndarray) -> Any:
    """A Relax constant of the same dtype, which relax.const alone would narrow."""
    return relax.const(array, str(array.dtype))
