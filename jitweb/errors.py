"""JitwebError: an error that the user can fix."""

from __future__ import annotations

from harness import UserError


class JitwebError(UserError):
    """Bad input, or a missing part of the system."""
