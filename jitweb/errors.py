"""JitwebError: an error that the user can fix; and what the families of kernels refuse."""

from __future__ import annotations

from harness import UserError


class JitwebError(UserError):
    """Bad input, or a missing part of the system."""


class NotEquations(ValueError):
    """The function doesn't have this form; it is built unchanged."""
