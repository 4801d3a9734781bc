"""What the commands of both tools share: types of options, output, and how a command ends.

A command ends with 0, with 1 where what was looked for was found, and with 2 and one line on
standard error where the user can fix what is wrong. Anything else that is raised is a bug of ours:
a traceback, a line that asks for a report, and 70.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import click

from harness import UserError
from harness.console.terminal import print_line, print_text
from harness.system.files import write_atomically
from harness.system.text import cut, first_line

WRONG_USE = 2
OUR_BUG = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
TIME = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s?)?")
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}

as_json = click.option("--json", "json_output", is_flag=True, help="Print one JSON value.")


class Duration(click.ParamType):
    """A time such as 90s, 10m, 8h or 1h30m, in seconds."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, float):
            return value
        parts = TIME.fullmatch(value.strip().lower())
        if not parts or not any(parts.groups()):
            self.fail(
                f"{value[:40]!r} is not a time; give one such as 90s, 10m, 8h or 1h30m", param, ctx
            )
        scaled = zip(parts.groups(), UNITS.values(), strict=True)
        seconds = sum(int(part or 0) * scale for part, scale in scaled)
        if seconds <= 0:
            self.fail("the time must be more than nothing", param, ctx)
        return seconds


class Names(click.ParamType):
    """Several names, separated by commas; the option may also be given several times."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())


class NonEmptyPath(click.Path):
    """A path that is not empty (an empty one would be the current folder)."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not os.fspath(value) or "\0" in os.fspath(value):
            self.fail("the path is empty, or has a null character; name one", param, ctx)
        return super().convert(value, param, ctx)


def write_output(path: Path, content: bytes, fix: str = "name another with -o") -> None:
    """Write the file that the user named, whole or not at all.

    Raises:
        UserError: it can't be written.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise UserError(f"{path} can't be written: {reason}; {fix}") from None


def run(command: click.Command, name: str) -> None:
    """Run the command of the tool of this name, and end the process with its exit status."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a result may hold what no terminal can show
        sys.stdout.reconfigure(errors="backslashreplace")
    output = sys.stdout
    try:
        command(standalone_mode=False, prog_name=name)
    except click.exceptions.Exit as ending:
        raise SystemExit(ending.exit_code) from None
    except click.exceptions.NoArgsIsHelpError as error:
        print_text(error.format_message(), err=True)
        raise SystemExit(WRONG_USE) from None
    except click.ClickException as error:
        _fail(name, error.format_message())
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(INTERRUPTED) from None
    except SystemExit:
        if sys.stdout is output:
            raise
        _end_without_reader()  # click has caught the BrokenPipeError, wrapped stdout, and says 1
    except BrokenPipeError:
        _end_without_reader()
    except UserError as error:
        _fail(name, str(error))
    except OSError as error:
        if error.errno in SCARCE:
            _fail(name, f"{error.strerror}; end other programs, or raise the limit (ulimit -a)")
        named = isinstance(error.filename, str | bytes)
        if not named and error.errno not in FULL:
            _report_bug(name)
        _discard_output()  # or Python would try it again at the end, and fail in its own words
        if not named:
            _fail(name, f"the output can't be written: {error.strerror}")
        _fail(name, f"{os.fsdecode(error.filename)} can't be read or written: {error.strerror}")
    except Exception:
        _report_bug(name)


def _open_closed_streams() -> None:
    """Let what was closed (`>&-`) lead nowhere, and not to the next file that is opened."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))


def _discard_output() -> None:
    """Let what is still to be written to standard output lead nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _end_without_reader() -> NoReturn:
    """End without an error, as the reader of a pipe has gone, as `head` does."""
    _discard_output()
    raise SystemExit(0) from None


def _report_bug(name: str) -> NoReturn:
    """Print the exception in flight as what it is: a bug of the tool, for its developers."""
    print_text(traceback.format_exc().rstrip(), err=True)
    where = f"please report it in the issue tracker of {name}, with the traceback above"
    print_line(f"{name}: this is a bug in {name}; {where}", err=True)
    raise SystemExit(OUR_BUG)


def _fail(name: str, message: str) -> NoReturn:
    with suppress(OSError):  # nobody can read it, but the status stands
        print_line(cut(f"{name}: {' '.join(message.splitlines())}"), err=True)
    raise SystemExit(WRONG_USE)
