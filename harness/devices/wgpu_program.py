"""The program of wgpu.py: reads requests from standard input, answers on standard output.

It uses the protocol of message.py, and answers the same requests as gpu_launcher.mjs, with the
package wgpu. A separate process, because a bad shader can end it.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import wgpu

SAMPLE_SECONDS = 0.005  # the cost of submitting would dominate a shorter sample
MOST_REPEATS = 1000  # in one command buffer
STEADY = 0.03  # warm when a round improves by less than this fraction
# WebGPU's default limits, so that kernels run on every device; the package's are the adapter's.
LIMITS = {
    "max-compute-invocations-per-workgroup": 256,
    "max-compute-workgroup-size-x": 256,
    "max-compute-workgroup-size-y": 256,
    "max-compute-workgroup-size-z": 64,
    "max-compute-workgroup-storage-size": 16384,
    "max-compute-workgroups-per-dimension": 65535,
    "max-storage-buffers-per-shader-stage": 8,
}
RAISED_LIMITS = ("max-buffer-size", "max-storage-buffer-binding-size")
WANTED_FEATURES = ("shader-f16",)
MOST_MESSAGE = 4000  # characters; the limit of message.py

Answer = tuple[dict[str, Any], list[bytes]]


class Fault(Exception):
    """An error answer of this kind."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Timed:
    """A launch that is being timed: seconds of one call, in samples of several calls."""

    submit: Callable[[int], None]
    repeats: int = 1
    best: float = math.inf
    samples: list[float] = field(default_factory=list)

    def sample(self) -> float:
        begin = time.perf_counter()
        self.submit(self.repeats)
        return (time.perf_counter() - begin) / self.repeats

    def warm_up(self, deadline: float) -> None:
        calm = 0
        while calm < 3 and time.perf_counter() < deadline:
            took = self.sample()
            wanted = math.ceil(SAMPLE_SECONDS / max(took, 1e-7))
            self.repeats = min(MOST_REPEATS, max(1, wanted))
            calm = 0 if took < self.best * (1 - STEADY) else calm + 1
            self.best = min(self.best, took)


class Launcher:
    """A GPU device and the kernels that were loaded on it."""

    def __init__(self) -> None:
        self._opened: tuple[Any, Any] | None = None
        self._kernels: dict[int, list[tuple[dict[str, Any], Any, Any]]] = {}

    def handle(self, request: dict[str, Any], arrays: list[bytes]) -> Answer:
        match request["do"]:
            case "identify":
                return self._identify(), []
            case "load":
                self._load(request)
                return {}, []
            case "release":
                self._kernels.pop(request["handle"], None)
                return {}, []
            case "run":
                return {}, self._run(request["launch"], arrays)
            case "time":
                return {"samples": self._time(request, arrays)}, []
        raise Fault("failed", f"unknown request {request['do']}")

    def _device(self) -> Any:
        if self._opened is None:
            try:
                adapter = wgpu.gpu.request_adapter_sync(power_preference="high-performance")
            except Exception as error:  # the package raises RuntimeError, or what its loader raises
                raise Fault("missing", f"wgpu finds no adapter: {error}") from None
            device = adapter.request_device_sync(
                required_features=[each for each in WANTED_FEATURES if each in adapter.features],
                required_limits=LIMITS | {name: adapter.limits[name] for name in RAISED_LIMITS},
            )
            self._opened = adapter, device
        return self._opened[1]

    def _identify(self) -> dict[str, Any]:
        device = self._device()
        assert self._opened is not None
        info = self._opened[0].info
        return {
            "adapter": {
                name: str(info.get(name, "")) for name in ("vendor", "device", "description")
            }
            | {
                "type": str(info.get("adapter_type", "")),
                "backend": str(info.get("backend_type", "")),
            },
            "wgpu": ".".join(wgpu.__version__.split(".")[:2]),
            "features": sorted(set(WANTED_FEATURES) & set(device.features)),
            "limits": {_camel(name): device.limits[name] for name in (*LIMITS, *RAISED_LIMITS)},
        }

    # ---------------------------------------------------------------------------------- kernels

    def _load(self, request: dict[str, Any]) -> None:
        if "shaders" not in request:
            raise Fault("refused", "this device runs only WGSL, not WebAssembly")
        device = self._device()
        try:
            kernel = [self._compiled(device, shader) for shader in request["shaders"]]
        except wgpu.GPUValidationError as error:
            raise Fault("refused", str(error)) from None
        self._kernels[request["handle"]] = kernel

    def _compiled(self, device: Any, shader: dict[str, Any]) -> tuple[dict[str, Any], Any, Any]:
        module = device.create_shader_module(code=shader["code"])
        types = [
            "storage" if index in shader["writes"] else "read-only-storage"
            for index in range(shader["bindings"])
        ]
        layout = device.create_bind_group_layout(
            entries=[
                {"binding": index, "visibility": wgpu.ShaderStage.COMPUTE, "buffer": {"type": kind}}
                for index, kind in enumerate(types)
            ]
        )
        pipeline = device.create_compute_pipeline(
            layout=device.create_pipeline_layout(bind_group_layouts=[layout]),
            compute={"module": module, "entry_point": shader["entry"]},
        )
        return shader, layout, pipeline

    def _place(
        self, launch: dict[str, Any], arrays: Sequence[bytes]
    ) -> tuple[list[Any], Callable[[int], None]]:
        """Buffers with the arrays, and a function that runs the kernel on them repeatedly."""
        device = self._device()
        if launch["handle"] not in self._kernels:
            raise Fault("unknown", f"there is no kernel {launch['handle']}")
        buffers = [self._buffer(array, wgpu.BufferUsage.STORAGE) for array in arrays]
        dispatches = []
        for shader, layout, pipeline in self._kernels[launch["handle"]]:
            bound = [buffers[index] for index in shader["arguments"]]
            entries = [
                {"binding": index, "resource": {"buffer": buffer, "offset": 0, "size": buffer.size}}
                for index, buffer in enumerate(bound)
            ]
            group = device.create_bind_group(layout=layout, entries=entries)
            dispatches.append((pipeline, group, shader["grid"]))
        fence = self._buffer(bytes(4), wgpu.BufferUsage.STORAGE)

        def submit(repeats: int) -> None:
            encoder = device.create_command_encoder()
            compute = encoder.begin_compute_pass()
            for _ in range(repeats):
                for pipeline, group, grid in dispatches:
                    compute.set_pipeline(pipeline)
                    compute.set_bind_group(0, group)
                    compute.dispatch_workgroups(*grid)
            compute.end()
            device.queue.submit([encoder.finish()])
            device.queue.read_buffer(fence)  # returns when all submitted work is done

        return buffers, submit

    def _buffer(self, content: bytes, usage: int) -> Any:
        padded = content + bytes(-len(content) % 4) or bytes(4)
        copies = wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
        return self._device().create_buffer_with_data(data=padded, usage=usage | copies)

    def _run(self, launch: dict[str, Any], arrays: list[bytes]) -> list[bytes]:
        buffers, submit = self._place(launch, arrays)
        submit(1)
        queue = self._device().queue
        return [
            bytes(queue.read_buffer(buffers[index]))[: len(arrays[index])]
            for index in launch["writes"]
        ]

    def _time(self, request: dict[str, Any], arrays: list[bytes]) -> list[list[float]]:
        """For each launch, samples of the milliseconds of one call; the launches alternate."""
        start, budget, taken = time.perf_counter(), request["seconds"], 0
        timed = []
        for launch in request["launches"]:
            own = arrays[taken : taken + launch["count"]]
            taken += launch["count"]
            timed.append(Timed(self._place(launch, own)[1]))
        for each in timed:
            each.warm_up(start + budget / 2)
        while time.perf_counter() - start < budget or len(timed[0].samples) < 3:
            for each in timed:
                each.samples.append(each.sample())
        return [[1000 * sample for sample in each.samples] for each in timed]


def _camel(name: str) -> str:
    return re.sub(r"-(\w)", lambda found: found[1].upper(), name)


# ------------------------------------------------------------------------------------- messages


def _receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[bytes]] | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    message = json.loads(stream.read(int.from_bytes(head, "little")))
    return message, [stream.read(size) for size in message["sizes"]]


def _send(stream: IO[bytes], answer: dict[str, Any], arrays: Sequence[bytes]) -> None:
    text = json.dumps(answer | {"sizes": [len(array) for array in arrays]}).encode()
    stream.write(len(text).to_bytes(4, "little") + text)
    for array in arrays:
        stream.write(array)
    stream.flush()


def _failure(kind: str, message: object) -> Answer:
    return {"error": kind, "message": str(message)[:MOST_MESSAGE]}, []


def _end_with(parent: int) -> None:
    """End this process when its parent dies, even while a shader runs."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def main() -> None:
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of drivers must not get into the answers
    launcher = Launcher()
    while (message := _receive(sys.stdin.buffer)) is not None:
        try:
            answer, arrays = launcher.handle(*message)
        except Fault as fault:
            answer, arrays = _failure(fault.kind, fault)
        except wgpu.GPUError as error:
            answer, arrays = _failure("failed", error)
        except Exception as error:  # of a broken driver; the next request may get a new program
            answer, arrays = _failure("lost", f"{type(error).__name__}: {error}")
        _send(output, answer | {"id": message[0]["id"]}, arrays)


if __name__ == "__main__":
    main()
