"""How a command ends: one line and 2 for what a user can fix, a traceback and 70 for our bugs."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from corpus.errors import StoreError
from harness import UserError
from harness.case import CaseError
from harness.console.command_line import run
from harness.coverage.elf import ElfError
from harness.devices.base import DeviceError
from harness.worker.sandbox import SandboxError
from jitweb.errors import JitwebError
from tzer.campaign import CampaignError
from tzer.in_subprocess import Refused

ROOT = Path(__file__).resolve().parents[2]
FOR_USERS = (
    StoreError,
    CaseError,
    ElfError,
    DeviceError,
    SandboxError,
    JitwebError,
    CampaignError,
    Refused,
)


def ending(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """(exit status, what is printed on standard error) of a command that raises."""

    @click.command()
    def command() -> None:
        raise error

    before, sys.argv = sys.argv, ["tool"]
    try:
        with pytest.raises(SystemExit) as ended:
            run(command, "tool")
    finally:
        sys.argv = before
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("kind", FOR_USERS)
def test_what_a_user_can_fix_is_one_line(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    assert issubclass(kind, UserError)
    assert ending(kind("it is\nso"), capsys) == (2, "tool: it is so\n")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("operands could not be broadcast together"),
        KeyError("x"),
        RuntimeError("x"),
        OSError("x"),
        MemoryError(),
    ],
)
def test_a_bug_of_ours_shows_its_traceback_and_asks_for_a_report(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = ending(error, capsys)
    assert status == 70
    assert said.startswith("Traceback (most recent call last):")
    assert "this is a bug in tool; please report it" in said.splitlines()[-1]


def test_a_numpy_error_is_no_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        np.zeros(2) + np.zeros(3)
    except ValueError as error:
        assert ending(error, capsys)[0] == 70


def test_a_traceback_holds_nothing_that_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, said = ending(KeyError("\x1b[2J"), capsys)
    assert "\x1b" not in ending(RuntimeError("\x1b[2J\u202e"), capsys)[1] + said


def test_a_file_that_the_user_named_is_one_line() -> None:
    code = """import click
from harness.console.command_line import run
run(click.Command("command", callback=lambda: open("/nowhere/\\x1b")), "tool")"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "tool: /nowhere/\\x1b can't be read or written: No such file or directory\n"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c_ends_without_a_word(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = ending(error, capsys)
    assert (status, said.strip()) == (130, "")


def test_a_full_standard_output_is_one_line() -> None:
    code = "from tzer.cli import main; main()"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "--help"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "tzer: the output can't be written: No space left on device\n"


def test_a_full_standard_error_keeps_the_status() -> None:
    code = "from tzer.cli import main; main()"
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", code, "stats", "/nowhere"]
        assert subprocess.run(command, cwd=ROOT, stderr=full).returncode == 2


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_system_has_too_little_of_is_one_line(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = ending(OSError(number, os.strerror(number)), capsys)
    assert status == 2 and len(said.splitlines()) == 1 and "raise the limit" in said
