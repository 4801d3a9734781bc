"""What all tests share: the markers, Hypothesis without a clock, no core dumps."""

from __future__ import annotations

import gc
import os
import resource
import tempfile
from pathlib import Path

# Each pytest worker has a processor; NumPy's threads would only wait for one. Before NumPy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# A test must give the same answer on a busy machine: nothing here is timed.
settings.register_profile("tzer", deadline=None, print_blob=True)
settings.load_profile("tzer")

# Crashes are part of the subject; their memory images need not fill the disk.
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

# Caches and campaigns of the tests stay out of the user's own.
os.environ.setdefault("XDG_CACHE_HOME", os.path.join(tempfile.gettempdir(), "tzer-tests-cache"))


TESTS = Path(__file__).parent
# What these test is the same on every release of TVM: processes, files, pages, command lines.
ONCE = (
    "corpus",
    "harness/oracles/test_guarded.py",
    "harness/test_bad_answers.py",
    "harness/test_command_line.py",
    "harness/test_device_table.py",
    "harness/test_devices.py",
    "harness/test_files.py",
    "harness/test_gpu_compiler.py",
    "harness/test_opened.py",
    "harness/test_post_mortem.py",
    "harness/test_processes.py",
    "harness/test_sandbox.py",
    "harness/test_signature.py",
    "harness/test_source_rules.py",
    "harness/test_suppress_warnings.py",
    "harness/test_terminal.py",
    "harness/test_verdict.py",
    "jitweb/onnx/test_merged.py",
    "jitweb/test_bundle.py",
    "jitweb/test_cli.py",
    "jitweb/test_compare.py",
    "jitweb/test_ecosystem.py",
    "jitweb/test_examples.py",
    "jitweb/test_host.py",
    "jitweb/test_hostile_files.py",
    "jitweb/test_hostile_plans.py",
    "jitweb/test_records.py",
    "jitweb/test_runtime.py",
    "jitweb/test_runtime_page.py",
    "jitweb/test_servers.py",
    "jitweb/test_shared_layouts.py",
    "jitweb/test_tune.py",
    "jitweb/test_variants.py",
    "jitweb/test_verify.py",
    "test_docs.py",
    "test_example_findings.py",
    "test_doctor.py",
    "test_names.py",
    "test_packaging.py",
    "tzer/test_avoidance.py",
    "tzer/test_bisect.py",
    "tzer/test_campaign_coverage_map.py",
    "tzer/test_campaign_faults.py",
    "tzer/test_campaign_kills.py",
    "tzer/test_check.py",
    "tzer/test_cli.py",
    "tzer/test_corpus_cli.py",
    "tzer/test_cov.py",
    "tzer/test_findings.py",
    "tzer/test_in_subprocess.py",
    "tzer/test_joint.py",
    "tzer/test_learning.py",
    "tzer/test_native_runs.py",
    "tzer/test_report.py",
    "tzer/test_reproducer_hostile.py",
    "tzer/test_show.py",
    "tzer/test_triage.py",
    "tzer/test_triage_confirmation.py",
    "tzer/test_triage_signature.py",
)


@pytest.fixture(scope="session")
def has_browser() -> bool:
    """Whether there is a browser; where everything must be tested, there has to be."""
    from harness.devices.base import DeviceError
    from harness.devices.browser import find_browser

    try:
        find_browser()
    except DeviceError:
        assert not os.environ.get("CI"), "scripts/install_browser.sh installs what is missing here"
        return False
    return True


@pytest.fixture(scope="session")
def browser(has_browser: bool) -> None:
    """Skip a test where there is no browser."""
    if not has_browser:
        pytest.skip("there is no browser: bash scripts/install_browser.sh says what to install")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of `ONCE`; skip what is marked `native` where native coverage can't work."""
    once = {path: _runs_once(path) for path in {item.path for item in items}}
    for item in items:
        if once[item.path]:
            item.add_marker("once")
    native = [item for item in items if item.get_closest_marker("native")]
    if not native:
        return
    reason = _native_coverage_is_missing()
    if reason:
        for item in native:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """Leave what lives until the end out of garbage collection: it took 5 % of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def _runs_once(path: Path) -> bool:
    return any(path.is_relative_to(TESTS / place) for place in ONCE)


def _native_coverage_is_missing() -> str:
    """The reason why native coverage can't work here, or nothing."""
    try:
        from harness.coverage.native import available
    except ImportError as error:
        return str(error)
    works, reason = available()
    return "" if works else reason
