"""The catalogue: every pass on TIR that can be constructed, with what it needs, gives and destroys.

The rule: a pass is legal only where TVM would be to blame if it failed on a valid program. Where a
pass states its precondition, the row repeats it; where it doesn't, the row asks for what the
default pipelines (`tvm.s_tir.pipeline`, `tvm.tirx.compilation_pipeline`) have established by the
place where they run it. Each row's `source` says which; paths are below TVM's `src/`. The rows are
in three files, in the order of a lowering.
"""

from __future__ import annotations

import tvm

from harness.passes.codegen import NEVER_LEGAL, TO_CODE_GENERATION
from harness.passes.lowered import WITHOUT_BLOCKS
from harness.passes.pass_info import ArgRange, PassInfo
from harness.passes.schedulable import ON_BLOCKS

__all__ = ["CATALOGUE", "ArgRange", "PassInfo"]


def _exists(name: str) -> bool:
    dialect, function = name.split(".")
    return hasattr(getattr(tvm, dialect).transform, function)


CATALOGUE: dict[str, PassInfo] = {
    info.name: info
    for info in (*ON_BLOCKS, *WITHOUT_BLOCKS, *TO_CODE_GENERATION, *NEVER_LEGAL)
    if _exists(info.name)
}
