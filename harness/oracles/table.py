"""All oracles, in the order in which they run. A new one is its file, an import and a line here."""

from __future__ import annotations

from harness.oracles.changed_meaning import CHANGED_MEANING
from harness.oracles.determinism import DETERMINISM
from harness.oracles.json_round_trip import JSON_ROUND_TRIP
from harness.oracles.oracle import AfterLowering, AfterPass, AfterRun, Oracle
from harness.oracles.out_of_bounds import OUT_OF_BOUNDS
from harness.oracles.script_round_trip import SCRIPT_ROUND_TRIP
from harness.oracles.slow_code import SLOW_CODE
from harness.oracles.well_formed import WELL_FORMED
from harness.oracles.wrong_result import WRONG_RESULT

AFTER_PASS: tuple[Oracle[AfterPass], ...] = (
    WELL_FORMED,
    JSON_ROUND_TRIP,
    SCRIPT_ROUND_TRIP,
)
AFTER_LOWERING: tuple[Oracle[AfterLowering], ...] = (
    CHANGED_MEANING,
    DETERMINISM,
)
AFTER_RUN: tuple[Oracle[AfterRun], ...] = (
    OUT_OF_BOUNDS,
    WRONG_RESULT,
    SLOW_CODE,
)
