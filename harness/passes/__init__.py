"""Passes: which passes there are, what each needs, and which sequences of them are legal.

`catalogue.py` is the table of passes, `state.py` what a module can be, `orders.py` the orders in
which TVM itself runs passes. `graph.py` makes one graph of the three; by it `legality.py` judges,
repairs and completes sequences, and `draw.py` draws them. `make.py` makes TVM's pass of a call.
"""

from harness.passes.catalogue import CATALOGUE, ArgRange, PassInfo
from harness.passes.draw import draw_call, draw_legal, draw_random
from harness.passes.graph import PASS_GRAPH
from harness.passes.legality import (
    complete,
    first_illegal,
    is_legal,
    minimal_order,
    repair,
    states_after,
)
from harness.passes.make import check_call, make_pass
from harness.passes.orders import default_order
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
