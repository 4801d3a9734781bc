"""Passes: which passes there are, what each needs, and which sequences of them are legal.

`catalogue.py` is the table, `state.py` what a module can be, `make.py` turns a PassCall into TVM's
pass, `legality.py` judges, repairs and completes sequences, `draw.py` draws them, and `graph.py`
shows the table as a graph.
"""

from harness.passes.catalogue import CATALOGUE, ArgRange, PassInfo
from harness.passes.draw import draw_call, draw_legal, draw_random
from harness.passes.graph import PASS_GRAPH
from harness.passes.legality import (
    complete,
    default_order,
    first_illegal,
    is_legal,
    minimal_order,
    repair,
    states_after,
)
from harness.passes.make import check_call, make_pass
from harness.passes.state import State, initial_states

__all__ = [
    "CATALOGUE",
    "PASS_GRAPH",
    "ArgRange",
    "PassInfo",
    "State",
    "check_call",
    "complete",
    "default_order",
    "draw_call",
    "draw_legal",
    "draw_random",
    "first_illegal",
    "initial_states",
    "is_legal",
    "make_pass",
    "minimal_order",
    "repair",
    "states_after",
]
