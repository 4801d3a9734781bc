"""Lowers and compiles a module with a sequence of pass calls, with callbacks at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import tvm

from harness import passes
from harness.case import PassCall
from harness.passes.make import ContextEntries
from harness.targets import Runnable, Target
from harness.targets.executable import raised_by_tvm

BeforePassCallback = Callable[[int, PassCall], None]
AfterPassCallback = Callable[[int, PassCall, Any], None]
PLAIN_OPT_LEVEL = 0


def lower(
    module: Any,
    calls: Sequence[PassCall],
    *,
    opt_level: int = 2,
    before_pass: BeforePassCallback | None = None,
    after_pass: AfterPassCallback | None = None,
) -> Any:
    """The module after the passes, each under a PassContext of this optimisation level.

    `before_pass` is called with position and call, `after_pass` also with the module; what they
    raise is propagated unchanged. The target that the module is compiled for is that of a
    BindTarget among the calls.

    Raises:
        harness.case.CaseError: a call is of no known pass, or has wrong arguments.
        harness.targets.executable.RaisedByTVM: a pass raised.
    """
    made = [passes.make_pass(call) for call in calls]
    with ExitStack() as contexts:
        contexts.enter_context(tvm.transform.PassContext(opt_level=opt_level))
        for index, (call, apply) in enumerate(zip(calls, made, strict=True)):
            if before_pass is not None:
                before_pass(index, call)
            with raised_by_tvm():
                module = apply(module)
                if isinstance(apply, ContextEntries):
                    contexts.enter_context(apply.context())
            if after_pass is not None:
                after_pass(index, call, module)
    return module


def plain_build(module: Any, target: Target) -> Runnable:
    """Build with only the required passes, at optimisation level 0, for a target that runs here."""
    module = target.prepare(module)
    calls = passes.complete(passes.initial_states(module), (), target.name)
    built = target.build(lower(module, calls, opt_level=PLAIN_OPT_LEVEL))
    assert built is not None, f"{target.name} runs nowhere"
    return built
