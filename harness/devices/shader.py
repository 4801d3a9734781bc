"""Shader: a compute shader with its bindings and grid, and the limits of WebGPU devices.

`harness/targets/webgpu.py` makes them; `browser.py` and `wgpu.py` run them.
"""

from __future__ import annotations

from dataclasses import dataclass

# WebGPU's defaults, which every device has or exceeds, for those of its limits that we read.
LEAST_LIMITS = {
    "maxBufferSize": 1 << 28,
    "maxStorageBufferBindingSize": 1 << 27,
    "maxComputeInvocationsPerWorkgroup": 256,
    "maxComputeWorkgroupSizeX": 256,
    "maxComputeWorkgroupSizeY": 256,
    "maxComputeWorkgroupSizeZ": 64,
    "maxComputeWorkgroupStorageSize": 16384,
    "maxComputeWorkgroupsPerDimension": 65535,
    "maxStorageBuffersPerShaderStage": 8,
}


@dataclass(frozen=True)
class Shader:
    """One dispatch: WGSL, its bindings and its grid.

    Binding i of group 0 is the PrimFunc's parameter `arguments[i]`. `writes` are the bindings that
    are declared read_write; the others are read. `grid` are the arguments of dispatchWorkgroups.
    """

    code: str
    entry: str
    grid: tuple[int, int, int]
    workgroup: tuple[int, int, int]
    bindings: int
    writes: tuple[int, ...]
    arguments: tuple[int, ...]
