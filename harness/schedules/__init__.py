"""Schedules: the primitives of `tvm.s_tir.Schedule` as data, drawn, applied and written as Python.

`table.py` lists the primitives; `draw.py` draws their arguments for a program, `replay.py` applies
a case's trace to its module, and `text.py` writes a trace as Python for reproducers.
"""

from harness.schedules.refusal import DoesNotApply
from harness.schedules.replay import Replay, is_schedulable, replayed
from harness.schedules.table import PRIMITIVES, Primitive

__all__ = ["PRIMITIVES", "DoesNotApply", "Primitive", "Replay", "is_schedulable", "replayed"]
