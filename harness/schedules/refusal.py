"""Refusals: how TVM says that a primitive does not apply, which is no finding."""

from __future__ import annotations

from tvm import s_tir

# What primitives refuse by a failed check which says so, instead of by a ScheduleError.
REFUSALS = (
    "Valid index:",  # of a place that the loop doesn't have
    "No reduction iter vars allowed for the outer loops when blockize multiple blocks",
    "Target blocks must not be nested with each other",
    "Target blocks must be consecutive",
    "Unsupported case",
    "not supported",
)


class DoesNotApply(Exception):
    """The primitive doesn't apply, or its arguments don't fit the program."""


def is_refusal(error: Exception) -> bool:
    """Whether TVM says that the primitive doesn't apply; other internal errors say nothing."""
    if isinstance(error, s_tir.ScheduleError | ValueError | TypeError | AssertionError):
        return True
    return any(refusal in str(error) for refusal in REFUSALS)
