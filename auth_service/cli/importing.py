"""The operator's commands that import users from another system, and export them."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from auth_service.accounts.foreign_hashes.firebase_scrypt import FirebaseParameters
from auth_service.accounts.user import AccountStatus
from auth_service.importing.export import exported_lines
from auth_service.importing.imported_user import MAX_SOURCE
from auth_service.importing.importer import BATCH, Importer
from auth_service.importing.report import Report
from auth_service.importing.row_checks import RowChecks
from auth_service.importing.source_row import Source, SourceError
from auth_service.importing.sources.catalog import SOURCES, SourceOptions
from auth_service.services import services
from auth_service.store_errors import StoreUnavailable

_PROGRESS_SECONDS = 1.0
"""Time between two lines of progress."""

_INACTIVE = [AccountStatus.BARRED.value, AccountStatus.UNVERIFIED.value]


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the pairs in texts of the form LEFT=RIGHT."""
    pairs = [tuple(value.rpartition("=")[::2]) for value in values]
    if any(not left for left, _ in pairs):
        raise click.BadParameter("must have the form NAME=VALUE", param=parameter)
    return [(left, right) for left, right in pairs]


@click.command()
@click.argument("kind", type=click.Choice(list(SOURCES)))
@click.option("--database", envvar="IMPORT_DATABASE_URL", default="", help="URL of the source's database.")
@click.option("--file", type=click.Path(path_type=Path), help="The export file of the source.")
@click.option("--name", help="Name of this source, if there are several of one kind. Keep it in later runs.")
@click.option("--table", default="", help="Table of the users, if it is not the usual one: accounts_user.")
@click.option("--column", "columns", multiple=True, callback=_pairs, help="FIELD=COLUMN, such as email=mail.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    callback=_pairs,
    help="COLUMN=ROLE for a flag, in place of the usual flags, or group:NAME=ROLE for a group of Django.",
)
@click.option("--inactive", type=click.Choice(_INACTIVE), default=_INACTIVE[0], help="Status of inactive users.")
@click.option("--firebase-memory-cost", default=14, help="mem_cost of the Firebase project.")
@click.option("--firebase-rounds", default=8, help="rounds of the Firebase project.")
@click.option("--firebase-salt-separator", default="Bw==", help="base64_salt_separator of the Firebase project.")
@click.option("--dry-run", is_flag=True, help="Check everything and store nothing.")
@click.option("--batch-size", default=BATCH, type=click.IntRange(1, 5_000), help="Users in one transaction.")
@click.option("--report", type=click.Path(path_type=Path), help="Write the report to this file, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_users(kind: str, name: str | None, **options: Any) -> None:
    """Import the users of another system. Stopped at any point, run it again: it continues."""
    source_name = name or kind
    if not source_name.isprintable() or len(source_name) > MAX_SOURCE:
        raise click.ClickException(f"--name must have at most {MAX_SOURCE} printable characters")
    report_file, as_json = options["report"], options["as_json"]
    try:
        opened = SOURCES[kind](_source_options(options))
        importer = Importer(
            services().imports,
            RowChecks(source_name, services().settings.foreign_hashes, AccountStatus(options["inactive"])),
            services().clock,
            options["dry_run"],
            options["batch_size"],
        )
        report = replace(importer, progress=_progress(opened.users)).run(opened.users, opened.tokens)
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    except StoreUnavailable as error:
        _stop(error)
    if report_file is not None:
        report_file.write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(report.to_json()) if as_json else report.to_text())


@click.command()
@click.option("--file", "path", type=click.Path(path_type=Path), help="Write to this file, not to standard output.")
def export_users(path: Path | None) -> None:
    """Export all users with their password hashes, as JSON Lines. `import-users jsonl` reads this form."""
    lines = exported_lines(services().imports)
    if path is None:
        for line in lines:
            click.echo(line)
        return
    try:
        # A new file, because its permissions protect the hashes.
        with open(path, "x", encoding="utf-8", opener=_open_private) as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _source_options(options: dict[str, Any]) -> SourceOptions:
    parameters = FirebaseParameters(
        options["firebase_salt_separator"], options["firebase_rounds"], options["firebase_memory_cost"]
    )
    return SourceOptions(
        database=options["database"],
        file=options["file"],
        table=options["table"],
        columns=dict(options["columns"]),
        roles=options["roles"],
        firebase=parameters,
        firebase_signer_key=services().settings.foreign_hashes.firebase_signer_key,
    )


def _progress(source: Source) -> Callable[[Report], None]:
    """Return a function that prints the progress at intervals, to the standard error."""
    total = source.count()
    shown_at = 0.0

    def show(report: Report) -> None:
        nonlocal shown_at
        now = services().clock()
        if now - shown_at >= _PROGRESS_SECONDS:
            shown_at = now
            of_total = f" of {total}" if total is not None else ""
            click.echo(
                f"read {report.read}{of_total}, imported {report.imported}, skipped {report.skipped}", err=True
            )

    return show


def _stop(error: StoreUnavailable) -> NoReturn:
    click.echo(f"the database does not answer ({error}); run the command again to continue", err=True)
    sys.exit(2)
