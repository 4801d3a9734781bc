"""Runs compiled code of the web targets on a device that this process owns."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.devices.base import Device, DeviceError, KernelFailed, Launch
from harness.devices.table import OpenOptions, device_kind
from harness.verdict import Stage
from harness.worker.progress_page import STAGES

RUN_SECONDS = 3.0
MAX_LOADED = 16


class OnDevice:
    """Code on a device of this process, with the interface of `Executable`."""

    def __init__(
        self, kind: str, code: Any, entry: str, writes: Sequence[int], scalars: tuple[int, ...] = ()
    ) -> None:
        self._device, self._handle = _loaded(kind, code)
        self._is_on_gpu = not isinstance(code, bytes)  # which is WebAssembly
        self._entry, self._writes, self._scalars = entry, tuple(writes), scalars

    def run(self, args: Sequence[np.ndarray]) -> None:
        """Call the kernel; arrays are changed in place.

        Raises:
            harness.devices.base.KernelFailed: it trapped, hung, or wrote outside of its arrays.
            harness.devices.base.DeviceError: the device died, or a GPU driver failed, which is
                unrelated to the shader.
        """
        arrays = tuple(np.ascontiguousarray(array) for array in args)
        launch = Launch(self._handle, self._entry, arrays, self._writes, self._scalars)
        if not self._is_on_gpu:
            results = self._device.run(launch, RUN_SECONDS)
        else:
            STAGES.enter(Stage("device", "run"))
            try:
                results = self._device.run(launch, RUN_SECONDS)
            except KernelFailed as failure:
                raise DeviceError(f"the GPU failed: {failure}") from None
        for position, result in zip(self._writes, results, strict=True):
            args[position][...] = result


@dataclass
class _Opened:
    """The devices of one process, and the code loaded on them, oldest first."""

    process: int
    devices: dict[str, Device] = field(default_factory=dict)
    codes: deque[tuple[Device, int]] = field(default_factory=deque)


_opened = _Opened(os.getpid())


def _loaded(kind: str, code: Any) -> tuple[Device, int]:
    global _opened
    if _opened.process != os.getpid():  # a forked process must not use the devices of its parent
        _opened = _Opened(os.getpid())
    STAGES.enter(Stage("device", "load"))
    if kind not in _opened.devices:
        _opened.devices[kind] = device_kind(kind).open(OpenOptions(software=True))
    device = _opened.devices[kind]
    while len(_opened.codes) >= MAX_LOADED:
        owner, handle = _opened.codes.popleft()
        owner.release(handle)
    handle = device.load(code)
    _opened.codes.append((device, handle))
    return device, handle
