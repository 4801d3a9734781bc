"""Passes: the catalogue, the states that each pass needs, and the legality of sequences.

`catalogue.py` is the table of passes, `state.py` the states of a module, `orders.py` the orders in
which TVM itself runs passes. `graph.py` combines the three in one graph; with it `legality.py`
checks, repairs and completes sequences, and `draw.py` draws them. `make.py` makes the TVM pass of a
call.
"""

from harness.passes.catalogue import CATALOGUE, ArgRange, PassInfo
from harness.passes.draw import draw_call, draw_legal, draw_random, spoil
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
    "spoil",
    "states_after",
]
