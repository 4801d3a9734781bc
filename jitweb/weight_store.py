"""The weights of a model by name: each content once, in all of the model's variants together."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import numpy as np

from jitweb.relax_graph import GraphValue
from jitweb.small_weights import Quantized


class WeightStore:
    """`arrays` by name; `packed` names those that are in words: see small_weights.py."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.packed: set[str] = set()
        self._names: dict[Hashable, str] = {}

    def name(self, value: GraphValue) -> str:
        """The name of a constant, which is a new one unless its content is known."""
        assert value.array is not None and not isinstance(value.array, Quantized)
        if value.has_no_data:
            return self._new(value.array)
        array = np.ascontiguousarray(value.array).reshape(value.array.shape)  # 0-d too
        content = (str(array.dtype), array.shape, hashlib.sha1(array.data).digest())
        if content not in self._names:
            self._names[content] = self._new(array)
        name = self._names[content]
        if value.is_packed:
            self.packed.add(name)
        return name

    def _new(self, array: np.ndarray) -> str:
        name = f"w{len(self.arrays)}"
        self.arrays[name] = array
        return name
