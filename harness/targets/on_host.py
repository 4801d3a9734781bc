"""What the targets that run in this process have in common."""

from __future__ import annotations

from typing import Any


class OnHost:
    """A target whose code TVM's own runtime calls."""

    has_runtime = True
    is_strict = True

    def refusal(self, function: Any) -> str | None:
        """These take every program."""
        return None

    def prepare(self, module: Any) -> Any:
        """The module as it is."""
        return module
