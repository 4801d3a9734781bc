"""From a Relax module to the PrimFunc that its operators become, for the Relax and ONNX seeds."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import IRModule, relax, tirx

from harness import case, compat
from seeds.recipe import module_of

MAX_SEED_ELEMENTS = 2048


class NotUsable(ValueError):
    """The Relax module has no PrimFunc that can be a seed."""


def largest_function(module: IRModule) -> IRModule:
    """The seed made of the largest PrimFunc that the module's operators are legalised and fused to.

    The largest, because the others of a module are mostly casts and reshapes that all share.

    Raises:
        NotUsable: no PrimFunc has parameters of small static shapes alone.
    """
    functions = [function for function in lower(module) if is_usable(function)]
    if not functions:
        raise NotUsable("no PrimFunc with small static parameters")
    sizes = [len(case.module_text(module_of(function))) for function in functions]
    return module_of(functions[max(range(len(sizes)), key=lambda place: (sizes[place], place))])


def lower(module: IRModule) -> list[tirx.PrimFunc]:
    """The PrimFuncs of the legalised and fused module, in the order of their names."""
    passes = [
        relax.transform.DecomposeOpsForInference(),
        relax.transform.FoldConstant(),
        relax.transform.LegalizeOps(),
        relax.transform.AnnotateTIROpPattern(),
        relax.transform.FuseOps(),
        relax.transform.FuseTIR(),
    ]
    with tvm.target.Target("llvm"):
        module = tvm.transform.Sequential(passes)(module)
    named = {
        str(var.name_hint): function
        for var, function in module.functions.items()
        if isinstance(function, tirx.PrimFunc)
    }
    return [named[name] for name in sorted(named)]


def is_usable(function: Any) -> bool:
    """Whether every parameter is a buffer of small static shape or a scalar."""
    for param in function.params:
        if compat.is_buffer(param):
            shape = compat.static_shape(param)
            elements = 1
            for extent in shape or (MAX_SEED_ELEMENTS + 1,):
                elements *= extent
            if shape != () and not 0 < elements <= MAX_SEED_ELEMENTS:
                return False
        elif compat.dtype_of(param) == "handle":
            return False
    return True
