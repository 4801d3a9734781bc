"""Limits: what TVM says it can't do. An error of this table is an answer, not a finding.

Each entry quotes the stable part of a diagnostic by which TVM refuses a program on purpose, and
says why that is its right. Anything else that a legal sequence raises on a valid program is a
finding.
"""

from __future__ import annotations

KNOWN_LIMITS: dict[str, str] = {}


def known_limit(message: str) -> str | None:
    """Why TVM may refuse with this message, or None if it is no known limit."""
    for part, reason in KNOWN_LIMITS.items():
        if part in message:
            return reason
    return None
