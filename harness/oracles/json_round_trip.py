"""JSON round trip: every pass returns a module that TVM saves as JSON and loads unchanged."""

from __future__ import annotations

from tvm_ffi.serialization import from_json_graph_str

from harness import compat
from harness.case import module_text
from harness.oracles.oracle import AfterPass, Oracle
from harness.system.text import first_line
from harness.targets.executable import RaisedByTVM, raised_by_tvm
from harness.verdict import Kind, Verdict


def _check(view: AfterPass) -> Verdict | None:
    if not view.changed:  # saving takes twenty times as long as comparing
        return None
    with raised_by_tvm():
        text = module_text(view.module)
    try:
        with raised_by_tvm():
            same = compat.structural_equal(from_json_graph_str(text), view.module)
    except RaisedByTVM as error:
        message = f"TVM's JSON of the module does not load: {first_line(error)}"
    else:
        if same:
            return None
        message = "TVM's JSON of the module loads as another module"
    # The signature has no place: the bug is in the serializer, whichever pass made the module.
    return view.compilation.found(Kind.ROUND_TRIP, message, pass_name=view.call.name)


JSON_ROUND_TRIP = Oracle("json-round-trip", _check)
