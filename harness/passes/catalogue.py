"""The catalogue: every pass on TIR that can be constructed, with what it needs, gives and destroys.

The rule: a pass is legal only where TVM would be to blame if it failed on a valid program. Where a
pass states its precondition, the row repeats it; where it doesn't, the row asks for what the
default pipelines (`tvm.s_tir.pipeline`, `tvm.tirx.compilation_pipeline`) have established by the
place where they run it. Each row's `source` says which; paths are below TVM's `src/`. The rows are
in three files, in the order of a lowering.
"""

from __future__ import annotations

from harness import compat
from harness.passes.codegen import CODEGEN, NEVER_LEGAL
from harness.passes.lowered import LOWERED
from harness.passes.pass_info import ArgRange, PassInfo
from harness.passes.schedulable import SCHEDULABLE

__all__ = ["CATALOGUE", "ArgRange", "PassInfo"]


CATALOGUE: dict[str, PassInfo] = {
    info.name: info
    for info in (*SCHEDULABLE, *LOWERED, *CODEGEN, *NEVER_LEGAL)
    if compat.pass_constructor(info.name) is not None
}
