"""The catalogue: every pass on TIR that can be constructed, with what it needs, gives and destroys.

The rule: a pass is legal only if its failure on a valid program would be a bug of TVM. If a pass
documents its precondition, the row repeats it; otherwise the row requires the states that the
default pipelines (`tvm.s_tir.pipeline`, `tvm.tirx.compilation_pipeline`) have established where
they run it. `source` says which; paths are relative to TVM's `src/`. The rows are in three files,
in the order of a lowering.
"""

from __future__ import annotations

from harness import compat
from harness.passes import context
from harness.passes.codegen import CODEGEN, NEVER_LEGAL
from harness.passes.lowered import LOWERED
from harness.passes.pass_info import ArgRange, PassInfo
from harness.passes.schedulable import SCHEDULABLE

__all__ = ["CATALOGUE", "ArgRange", "PassInfo"]


_PASSES: dict[str, PassInfo] = {
    info.name: info
    for info in (*SCHEDULABLE, *LOWERED, *CODEGEN, *NEVER_LEGAL)
    if compat.pass_constructor(info.name) is not None
}
CATALOGUE: dict[str, PassInfo] = _PASSES | {context.SET: context.row(_PASSES.values())}
