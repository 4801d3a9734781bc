"""Native coverage: which basic blocks of the stock compiler library a worker reaches.

Breakpoints that each stop once (`_native.c`) on the blocks of the map (`blockmap.py`). A worker
arms its scope, runs a case, and drains the ids that were hit for the first time. A block that
appears in one run may be hash order or allocation: re-arm it, run the case again, and keep it if it
comes again.
"""

from __future__ import annotations

import platform
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.coverage.blockmap import BlockMap, load
from harness.coverage.elf import ElfError, Library

LIBRARY = "libtvm_compiler.so"
HARDENED = (
    "this system does not let the code of a library be written, as breakpoints need; "
    "with SELinux: setsebool -P selinuxuser_execmod 1"
)


def _extension() -> Any:
    from harness.coverage import _native

    return _native


def library_path() -> Path | None:
    """The compiler library of the TVM at hand, found without importing TVM; else None."""
    import importlib.util

    spec = importlib.util.find_spec("tvm")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "lib" / LIBRARY
    return path if path.exists() else None


def available() -> tuple[bool, str]:
    """Whether native coverage works here; if not, why and what to do."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False, (
            "native coverage works on Linux x86-64 only; campaigns go by Python lines alone here"
        )
    try:
        can_write_code = _extension().can_write_code
    except (ImportError, AttributeError):  # not built, or left over from an older release
        return False, (
            "the C extension was not built; install gcc and Python's headers "
            "(Debian: apt-get install gcc python3-dev), then install tzer again"
        )
    try:
        import iced_x86  # noqa: F401
    except ImportError:
        return False, "the package iced-x86 is missing; pip install iced-x86"
    path = library_path()
    if path is None:
        return False, f"TVM's {LIBRARY} was not found; pip install apache-tvm"
    if not can_write_code(str(path)):
        return False, HARDENED
    return True, ""


@lru_cache(maxsize=2)
def load_block_map(cache_dir: Path | None = None) -> BlockMap:
    """The block map of the TVM at hand; decoded on first use, which takes seconds.

    Raises:
        ElfError: there is no compiler library, or it can't be understood.
    """
    path = library_path()
    if path is None:
        raise ElfError(f"TVM's {LIBRARY} was not found; pip install apache-tvm")
    return load(path, cache_dir)


class NativeCoverage:
    """The breakpoints of this process. There can be one only; a forked child inherits it.

    `scope` are patterns of source files as `BlockMap.in_scope` takes them. All threads are covered.

    Raises:
        OSError: the system does not let code be written (a hardened kernel), or the library that is
            loaded is another one than that of the map.
        RuntimeError: this process has breakpoints already.
    """

    def __init__(self, block_map: BlockMap, scope: tuple[str, ...]) -> None:
        import tvm  # noqa: F401  (loads the library)

        self.map = block_map
        self.scope = block_map.in_scope(scope)
        self._native = _extension()
        found = self._native.find_library(LIBRARY)
        if found is None:
            raise OSError(f"{LIBRARY} is not loaded; pip install apache-tvm")
        path, address = found
        # A breakpoint of another library's map would change code in the middle of an instruction.
        if Library(Path(path)).build_id != block_map.build_id:
            raise OSError(f"the map of blocks is not that of {path}; unset TVM_LIBRARY_PATH")
        try:
            self._native.set_up(address, np.ascontiguousarray(block_map.blocks, np.uint32))
        except OSError as error:
            raise OSError(error.errno, HARDENED) from error

    def arm(self, blocks: np.ndarray | None = None) -> None:
        """Stop at these blocks (ids, uint32), or at all of the scope, the next time each is hit.

        For calibration, arm what a case was first to hit, run the case again, and drain: the blocks
        that come again are stable.
        """
        chosen = self.scope if blocks is None else blocks
        self._native.arm(np.ascontiguousarray(chosen, np.uint32))

    def disarm(self, blocks: np.ndarray) -> None:
        """Don't stop at these blocks (ids, uint32)."""
        self._native.disarm(np.ascontiguousarray(blocks, np.uint32))

    def disarm_all(self) -> None:
        self.disarm(self.scope)

    def drain(self) -> np.ndarray:
        """The ids (uint32, ascending) hit since the last call."""
        return np.unique(np.frombuffer(self._native.drain(), np.uint32))
