"""Where a bundle's own runtime runs for the command line: in Node, or in a browser for WebGPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jitweb.errors import JitwebError
from jitweb.host import BundleHost


def open_host(
    folder: Path, plan: Mapping[str, Any], target: str | None, threads: int
) -> BundleHost:
    """A bundle loaded where it can run: WebAssembly in Node, WebGPU in a browser.

    Raises:
        JitwebError: the bundle lacks the target.
        DeviceError: what it needs to run is not installed.
    """
    names = list(plan["targets"])
    chosen = target or names[0]
    if chosen not in names:
        raise JitwebError(f"{folder} holds {', '.join(names)} and no {chosen}; tune it for that")
    return BundleHost(folder, chosen, threads)
