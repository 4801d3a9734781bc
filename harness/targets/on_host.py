"""The common part of the targets that run in this process."""

from __future__ import annotations

from typing import Any


class OnHost:
    """A target whose code TVM's own runtime calls."""

    has_runtime = True
    is_strict = True
    runs = True

    def refusal(self, function: Any) -> str | None:
        """None: these targets can express every program."""
        return None

    def prepare(self, module: Any) -> Any:
        """The module, unchanged."""
        return module
