"""What a test needs and a developer's machine may lack."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_without(missing: object) -> NoReturn:
    """Skip the test that is running, and say what is missing; fail it in CI, which installs all."""
    assert not os.environ.get("CI"), missing
    pytest.skip(str(missing))
