"""JitwebError: what the user can mend. The command line prints it as one line and exits with 2."""

from __future__ import annotations


class JitwebError(ValueError):
    """Bad input or a lacking part of the system; the message says how to mend it, in one line."""
