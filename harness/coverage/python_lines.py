"""Python coverage: the lines of TVM's own Python that a case reaches, recorded with coverage.py.

Tracing slows Python down, so a campaign records only one in many cases.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

Line = tuple[str, int]


def tvm_folder() -> Path:
    """The folder of the installed TVM's Python, found without importing it."""
    spec = importlib.util.find_spec("tvm")
    if spec is None or spec.origin is None:
        raise ImportError("TVM is not installed; pip install apache-tvm")
    return Path(spec.origin).parent


class PythonCoverage:
    """A recorder that can be started and stopped many times."""

    def __init__(self) -> None:
        import coverage

        self._folder = tvm_folder()
        # No data file, and no configuration file of the current folder.
        # `include`, not `source`, which would search for files that never ran, each time.
        self._coverage: Any = coverage.Coverage(
            data_file=None, config_file=False, include=[f"{self._folder}/*"], messages=False
        )
        # A case may reach no Python of TVM.
        self._coverage.set_option("run:disable_warnings", ["no-data-collected"])

    def start(self) -> None:
        self._coverage.start()

    def stop(self) -> set[Line]:
        """The lines since `start`: (file relative to TVM's folder, line number)."""
        self._coverage.stop()
        data = self._coverage.get_data()
        found = {
            (str(Path(file).relative_to(self._folder)), line)
            for file in data.measured_files()
            for line in data.lines(file) or ()
        }
        data.erase()  # erases only the lines; `Coverage.erase` would also reset the tracer
        return found
