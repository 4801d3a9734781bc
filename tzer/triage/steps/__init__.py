"""The steps of minimization, in their order; a step is one line of a table of one of these files.

First what is done to the program, coarse to fine, then the program itself, then its inputs. The
order matters for time alone: steps are repeated until none of them finds anything.
"""

from __future__ import annotations

from tzer.triage.steps.buffers import BUFFERS, NAMES
from tzer.triage.steps.edit import ShrinkStep
from tzer.triage.steps.expressions import EXPRESSIONS
from tzer.triage.steps.sequence import FEWER, INPUTS, LOWERED
from tzer.triage.steps.statements import STATEMENTS
from tzer.triage.steps.traces import TRACES

STEPS: tuple[ShrinkStep, ...] = (
    *FEWER,
    *TRACES,
    *STATEMENTS,
    *EXPRESSIONS,
    *BUFFERS,
    *LOWERED,
    *INPUTS,
    *NAMES,
)
