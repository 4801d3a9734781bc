"""The commands of jitweb. Only `doctor` is there yet; the others come with the tuner itself."""

from __future__ import annotations

import click

from harness.doctor import JITWEB_CHECKS
from harness.doctor import doctor as run_doctor


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tzer", prog_name="jitweb")
def main() -> None:
    """Make transformer models fast in a browser.

    This release only says what works on this machine (jitweb doctor). Importing, tuning, verifying
    and serving models is planned and not there yet; docs/how-it-works.md says what stands.
    """


@main.command()
@click.option("--json", "json_output", is_flag=True, help="Print one JSON value.")
def doctor(json_output: bool) -> None:
    """Say what works on this machine, and what to install for the rest.

    Exits 0 where everything needed works, 1 where something needed is missing.
    """
    raise SystemExit(run_doctor(JITWEB_CHECKS, json_output=json_output))


if __name__ == "__main__":
    main()
