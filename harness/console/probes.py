"""The probes of the doctor: each examines one thing on this machine and returns the result.

Probes that load TVM do so in a child process, because a broken installation may end in a
segmentation fault, and because this module must be importable without TVM. `doctor.py` lists the
probes of each tool.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from harness.devices.base import DeviceError
from harness.devices.table import DeviceKind
from harness.system.processes import python_command, python_environment, run_program
from harness.system.text import last_line

OLDEST_PYTHON = (3, 11)
TVM_RANGE = ((0, 26), (0, 28))
"""Supported releases of apache-tvm: from the first up to the second (exclusive)."""
TVM_FFI_BELOW = (0, 1, 15)
"""The first apache-tvm-ffi that crashes in `tvm.ir.save_json` (docs/decisions/0001)."""
PIN_TVM = 'pip install "apache-tvm>=0.26,<0.28" "apache-tvm-ffi>=0.1.14.post0,<0.1.15"'

WORKER_BYTES = 1 << 30
"""Maximum memory of a worker; its address space is at most four times that."""
DISK_BYTES = 1 << 30
PROBE_SECONDS = 60.0
SOURCES_REMEDY = "pip install 'tzer[sources]' (in a clone: pip install '.[sources]')"


@dataclass(frozen=True)
class ProbeResult:
    """The result of a probe; `remedy` says how to fix it if `ok` is false."""

    ok: bool
    detail: str
    remedy: str = ""


# ----------------------------------------------------------------------------------- both tools


def probe_python() -> ProbeResult:
    """Whether Python is at least the oldest release that the dependencies support."""
    found = f"{platform.python_implementation()} {platform.python_version()}"
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return ProbeResult(
        sys.version_info[:2] >= OLDEST_PYTHON,
        f"{found} ({sys.executable})",
        f"install Python {wanted} or later and create the virtual environment again with it",
    )


def probe_tvm() -> ProbeResult:
    """Whether apache-tvm is installed, of a supported release, and can be imported."""
    installed = _installed_version("apache-tvm")
    if installed is None:
        return ProbeResult(False, "apache-tvm is not installed", PIN_TVM)
    oldest, beyond = TVM_RANGE
    if not oldest <= release_of(installed) < beyond:
        wanted = f"{_dotted(oldest)} or later, below {_dotted(beyond)}"
        return ProbeResult(False, f"apache-tvm {installed}; supported is {wanted}", PIN_TVM)
    imported = run_python("import tvm; print(tvm.__version__)")
    if not imported.ok:
        return ProbeResult(False, f"apache-tvm {installed}: {imported.detail}", PIN_TVM)
    return ProbeResult(True, f"apache-tvm {installed}")


_JSON_ROUND_TRIP = """
import tvm
from tvm import te
a = te.placeholder((3,), "float32", name="a")
b = te.compute((3,), lambda i: a[i] + a[i], name="b")
module = tvm.IRModule({"main": te.create_prim_func([a, b])})
again = tvm.ir.load_json(tvm.ir.save_json(module))
tvm.ir.assert_structural_equal(module, again)
"""


def probe_tvm_ffi() -> ProbeResult:
    """Whether a module round-trips through TVM's JSON, which every stored case needs."""
    installed = _installed_version("apache-tvm-ffi")
    if installed is None:
        return ProbeResult(False, "apache-tvm-ffi is not installed", PIN_TVM)
    if release_of(installed) >= TVM_FFI_BELOW:
        detail = f"apache-tvm-ffi {installed} crashes when it saves a module as JSON"
        return ProbeResult(False, detail, PIN_TVM)
    trip = run_python(_JSON_ROUND_TRIP)
    if not trip.ok:
        return ProbeResult(False, f"apache-tvm-ffi {installed}: JSON fails: {trip.detail}", PIN_TVM)
    return ProbeResult(True, f"apache-tvm-ffi {installed}, JSON round trip works")


# --------------------------------------------------------------------------------- the fuzzer


def probe_native_coverage() -> ProbeResult:
    """Whether coverage of the native compiler library works; Python coverage always does."""
    system, machine = platform.system(), platform.machine()
    lost = "the fuzzer uses only Python coverage"
    if (system, machine) != ("Linux", "x86_64"):
        detail = f"{system} on {machine}: native coverage needs Linux on x86-64; {lost}"
        return ProbeResult(False, detail, "none: use a Linux x86-64 machine for native coverage")
    if not run_python("import harness.coverage._native").ok:
        return ProbeResult(False, f"the C extension is not built; {lost}", _extension_remedy())
    found = run_python(
        "from harness.coverage.native import available\n"
        "ok, reason = available()\n"
        "print(reason)\n"
        "raise SystemExit(0 if ok else 3)"
    )
    if found.ok:
        return ProbeResult(True, "extension built, compiler library found")
    return ProbeResult(False, f"{found.detail}; {lost}", "what the line above says")


def probe_c_compiler() -> ProbeResult:
    """Whether there is a C compiler for the `c` target."""
    wanted = os.environ.get("CC")
    for name in [wanted] if wanted else ["gcc", "clang", "cc"]:
        path = shutil.which(name)
        if path and _run([path, "--version"]).ok:
            return ProbeResult(True, path)
    detail = f"CC={wanted} does not run" if wanted else "no C compiler: the c target can't run"
    return ProbeResult(
        False, detail, "apt-get install gcc (macOS: xcode-select --install), or set CC"
    )


_FIND_COMPILER = """
from harness.targets.source_compilers import COMPILERS
found = COMPILERS[{name!r}].find()
print(found)
raise SystemExit(0 if found else 3)
"""


def probe_source_compiler(name: str, language: str) -> ProbeResult:
    """Whether there is a compiler to check the source that a target generates."""
    found = run_python(_FIND_COMPILER.format(name=name))
    if found.ok:
        return ProbeResult(True, found.detail)
    detail = f"no compiler for {language}: its source is checked by rules alone"
    return ProbeResult(False, detail, SOURCES_REMEDY)


_TARGETS = """
from harness.targets import get_target
from harness.targets.table import NAMES
missing = [name for name in NAMES if get_target(name).has_runtime or not get_target(name).runs]
missing = [f"{name}: {reason}" for name in missing if (reason := get_target(name).available())]
alone = [name for name in NAMES if not get_target(name).runs]
print("; ".join(missing) or f"all {len(NAMES)}; only compiled here: " + ", ".join(alone))
raise SystemExit(3 if missing else 0)
"""


def probe_targets() -> ProbeResult:
    """Whether this TVM has the code generators of all targets but those of devices."""
    found = run_python(_TARGETS)
    return ProbeResult(
        found.ok, found.detail, "fuzz the other targets, or what the line above says"
    )


def probe_disk() -> ProbeResult:
    """Whether the current folder has space for a campaign."""
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    detail = f"{_gigabytes(free)} free in {here}"
    if not os.access(here, os.W_OK):
        return ProbeResult(
            False, f"{here} is not writable", "use --out with a folder that is writable"
        )
    return ProbeResult(
        free >= DISK_BYTES, detail, "free some space, or use --out with a folder on another disk"
    )


def probe_memory() -> ProbeResult:
    """Whether there is memory for the campaign and at least one worker."""
    try:
        pages = os.sysconf("SC_AVPHYS_PAGES")
        free = pages * os.sysconf("SC_PAGE_SIZE")
        free = max(free, _meminfo_available())
    except (ValueError, OSError):
        return ProbeResult(True, "not known on this system")
    detail = f"{_gigabytes(free)} available, {os.cpu_count()} processors"
    return ProbeResult(free >= 2 * WORKER_BYTES, detail, "close other programs, or use --jobs 1")


def probe_limits() -> ProbeResult:
    """Whether the resource limits of this shell, which workers inherit, are high enough."""
    import resource

    def hard(limit: int) -> float:
        value = resource.getrlimit(limit)[1]
        return float("inf") if value == resource.RLIM_INFINITY else value

    tight = []
    if hard(resource.RLIMIT_AS) < 4 * WORKER_BYTES:
        tight.append(("address space below 4 GiB", "ulimit -v unlimited"))
    if hard(resource.RLIMIT_NOFILE) < 256:
        tight.append(("fewer than 256 open files", "ulimit -n 1024"))
    if hard(resource.RLIMIT_NPROC) < 64:
        tight.append(("fewer than 64 processes", "ulimit -u 256"))
    if not tight:
        return ProbeResult(True, "address space, open files and processes are high enough")
    faults, remedies = zip(*tight, strict=True)
    return ProbeResult(
        False, ", ".join(faults), f"{'; '.join(remedies)}, in a shell that may raise it"
    )


# ------------------------------------------------------------------------------------- devices


def probe_device(kind: DeviceKind) -> ProbeResult:
    """Whether this machine has what a device needs."""
    try:
        return ProbeResult(True, kind.find())
    except DeviceError as error:
        return ProbeResult(False, str(error), kind.remedy)


# ------------------------------------------------------------------------------------- helpers


def _run(command: list[str], environment: dict[str, str] | None = None) -> ProbeResult:
    """Run a command; the detail is its last line of output, or the failure."""
    try:
        done = run_program(command, PROBE_SECONDS, environment)
    except subprocess.TimeoutExpired:
        return ProbeResult(False, f"no answer within {PROBE_SECONDS:.0f} s")
    except OSError as error:
        return ProbeResult(False, error.strerror or str(error))
    if done.returncode < 0:
        return ProbeResult(False, f"killed by signal {-done.returncode}")
    line = last_line(done.stdout) or last_line(done.stderr)
    if done.returncode:
        line = last_line(done.stderr) or line or f"exit status {done.returncode}"
    return ProbeResult(done.returncode == 0, line)


def run_python(program: str) -> ProbeResult:
    """Run a program with this Python and its packages, never with those of the current folder."""
    return _run(python_command("-c", program), python_environment())


def _installed_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def release_of(version: str) -> tuple[int, ...]:
    """The leading numeric parts of a version: 0.27.0.post1 is (0, 27, 0)."""
    numbers = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _dotted(numbers: Iterable[int]) -> str:
    return ".".join(map(str, numbers))


def _gigabytes(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"


def _meminfo_available() -> int:
    """MemAvailable of Linux, which counts caches as free; 0 on other systems."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _extension_remedy() -> str:
    """How to build the extension here, with the Debian packages that are missing."""
    missing = []
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        missing += ["gcc", "libc6-dev"]
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing.append("python{}.{}-dev".format(*sys.version_info))
    again = "make install in the clone, or pip install --force-reinstall --no-deps of tzer"
    return f"apt-get install {' '.join(missing)}, then {again}" if missing else again
