"""What a device with WebGPU takes: a compute shader, and what it needs to run.

`harness/targets/webgpu.py` makes them; `browser.py` and `wgpu.py` run them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shader:
    """One dispatch: WGSL, and what it needs to run.

    Binding i of group 0 is the PrimFunc's parameter `arguments[i]`. `writes` are the bindings that
    are declared read_write; the others are read. `grid` is what dispatchWorkgroups takes.
    """

    code: str
    entry: str
    grid: tuple[int, int, int]
    workgroup: tuple[int, int, int]
    bindings: int
    writes: tuple[int, ...]
    arguments: tuple[int, ...]
