"""`mail`: try the settings of mails."""

import click

from auth_service.cli.output import json_option, print_json
from auth_service.mail.diagnostics import send_test_mail
from auth_service.services import services


@click.group()
def mail() -> None:
    """Try the settings of mails."""


@mail.command("test")
@click.argument("address")
@click.option("--language", default="", help="Language of the message; MAIL_LANGUAGE by default.")
@json_option
def send_test(address: str, language: str, as_json: bool) -> None:
    """Send a test message to ADDRESS at once, and report each step. Exits with 1 if it was not accepted."""
    settings, steps = services().settings, []

    def report(line: str) -> None:
        steps.append(line)
        if not as_json:
            click.echo(line)

    is_accepted = send_test_mail(address, settings=settings, now=services().clock(), report=report, language=language)
    if as_json:
        print_json({"address": address, "accepted": is_accepted, "steps": steps})
    if not is_accepted:
        raise click.ClickException(f"ADDRESS: the message to {address} was not accepted")
