"""What all tests share: the `native` marker, Hypothesis without a clock, no core dumps."""

from __future__ import annotations

import os
import resource
import tempfile

import pytest
from hypothesis import settings

# A test must give the same answer on a busy machine: nothing here is timed.
settings.register_profile("tzer", deadline=None, print_blob=True)
settings.load_profile("tzer")

# Crashes are part of the subject; their memory images need not fill the disk.
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

# Caches and campaigns of the tests stay out of the user's own.
os.environ.setdefault("XDG_CACHE_HOME", os.path.join(tempfile.gettempdir(), "tzer-tests-cache"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `native` where native coverage can't work, with the reason."""
    native = [item for item in items if item.get_closest_marker("native")]
    if not native:
        return
    reason = _native_coverage_is_missing()
    if reason:
        for item in native:
            item.add_marker(pytest.mark.skip(reason=reason))


def _native_coverage_is_missing() -> str:
    """The reason why native coverage can't work here, or nothing."""
    try:
        from harness.coverage.native import available
    except ImportError as error:
        return str(error)
    works, reason = available()
    return "" if works else reason
