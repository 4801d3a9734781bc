"""Mutators: change a program or a pass sequence. All of them are listed here."""

from __future__ import annotations

from tzer.mutate.annotations import AnnotateOddly, DoubleBuffer
from tzer.mutate.base import Mutator
from tzer.mutate.blocks import AddPredicate, AnnotateBlock, ReverseBinding, WidenRegions
from tzer.mutate.constants import ChangeConstant
from tzer.mutate.expressions import (
    DeleteExpression,
    InsertExpression,
    ReplaceExpression,
    WrapExpression,
)
from tzer.mutate.indices import RewriteIndex
from tzer.mutate.loops import (
    AnnotateLoop,
    ChangeBounds,
    ChangeLoopKind,
    ExchangeLoops,
    PeelLoop,
    ShiftLoop,
    SplitLoop,
)
from tzer.mutate.memory import (
    ChangeBufferDtype,
    ChangeScalarDtype,
    ChangeStorageScope,
    PadBuffer,
    TransposeBuffer,
)
from tzer.mutate.operators import ChangeOperator, NegateSelect, SwapOperands
from tzer.mutate.passes import PASS_MUTATORS, PassContext, PassMutator
from tzer.mutate.schedules import SCHEDULE_MUTATORS, ScheduleMutator
from tzer.mutate.splice import ReplaceLoad, ReplaceVariable, SpliceExpression
from tzer.mutate.statements import (
    DeleteStatement,
    DuplicateStatement,
    InsertStatement,
    SwapStatements,
)
from tzer.mutate.wrappers import (
    BindValue,
    InsertAssert,
    Unwrap,
    WrapInIf,
    WrapInLoop,
    WrapInPragma,
)

IR_MUTATORS: tuple[Mutator, ...] = (
    # General-purpose: expressions and statements.
    ReplaceExpression(), InsertExpression(), DeleteExpression(), WrapExpression(),
    ChangeConstant(), ChangeOperator(), SwapOperands(), NegateSelect(),
    SpliceExpression(), ReplaceVariable(), ReplaceLoad(),
    InsertStatement(), DeleteStatement(), DuplicateStatement(), SwapStatements(),
    WrapInIf(), WrapInLoop(), WrapInPragma(), BindValue(), InsertAssert(), Unwrap(),
    # Domain-specific: indices, loops, memory, blocks. Schedules are in `SCHEDULE_MUTATORS`.
    RewriteIndex(), AnnotateOddly(), DoubleBuffer(),
    ChangeLoopKind(), AnnotateLoop(), ChangeBounds(), ShiftLoop(), SplitLoop(), PeelLoop(),
    ExchangeLoops(),
    ChangeBufferDtype(), TransposeBuffer(), PadBuffer(), ChangeStorageScope(), ChangeScalarDtype(),
    ReverseBinding(), AddPredicate(), AnnotateBlock(), WidenRegions(),
)  # fmt: skip

__all__ = [
    "IR_MUTATORS",
    "PASS_MUTATORS",
    "SCHEDULE_MUTATORS",
    "Mutator",
    "PassContext",
    "PassMutator",
    "ScheduleMutator",
]
