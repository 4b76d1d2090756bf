"""`keys`: list the signing keys, replace the signing key, and retire the previous one."""

import os

import click

from auth_service.api.models.base import rfc3339_timestamp
from auth_service.cli.output import JSON, confirm, json_option, print_list, print_result, yes_option
from auth_service.services import services
from auth_service.tokens.key_files import KeyFiles, KeyFilesError
from auth_service.tokens.signing_keys import VerificationKey

_COLUMNS = ("role", "kid", "algorithm", "tokens_expire_at", "source")

RESTART = "restart every process of the auth service; the gateway needs no restart"


@click.group()
def keys() -> None:
    """List, rotate and retire the keys that sign access tokens."""


@keys.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List the signing key and the previous one. By `tokens expire at`, every token of a key has expired."""
    ring = services().keys
    rows = [_row(key, is_signing=kid == ring.signing.public.kid) for kid, key in ring.verifying.items()]
    print_list(rows, _COLUMNS, as_json=as_json)


@keys.command()
@yes_option
@json_option
def rotate(is_confirmed: bool, as_json: bool) -> None:
    """Replace the signing key by a new one. The old key stays as the previous one, so its tokens stay valid.

    Exits with 1 while tokens of the present previous key may still be valid, or if the keys are not in files.
    """
    files = _files()
    _check_previous_has_expired(files, "would be lost by another rotation")
    confirm(f"Replace the key in {files.signing_path}?", is_confirmed=is_confirmed)
    old = services().keys.signing.public.kid
    try:
        new = files.rotate()
    except KeyFilesError as error:
        raise click.ClickException(str(error)) from error
    steps = [RESTART]
    if not files.is_previous_set:
        steps.insert(0, f"set PREVIOUS_SIGNING_KEY_FILE={files.previous_path} if it is not set (`make run` sets it)")
    message = f"the new signing key is {new.public.kid}; {old} is the previous one\nnext: {'; then '.join(steps)}"
    row = {"signing_kid": new.public.kid, "previous_kid": old, "next": steps}
    print_result(message, row, as_json=as_json)


@keys.command()
@yes_option
@json_option
def retire(is_confirmed: bool, as_json: bool) -> None:
    """Remove the previous key. Exits with 1 while one of its tokens may still be valid, and says until when."""
    files = _files()
    previous = files.previous()
    if previous is None:
        raise click.ClickException(f"there is no previous key in {files.previous_path}")
    _check_previous_has_expired(files, "may still have valid tokens")
    confirm(f"Remove the key {previous.kid} from {files.previous_path}?", is_confirmed=is_confirmed)
    try:
        files.retire()
    except KeyFilesError as error:
        raise click.ClickException(str(error)) from error
    row = {"retired_kid": previous.kid, "next": [RESTART]}
    print_result(f"retired {previous.kid}\nnext: {RESTART}", row, as_json=as_json)


def _files() -> KeyFiles:
    try:
        return KeyFiles.from_environ(os.environ)
    except KeyFilesError as error:
        raise click.ClickException(str(error)) from error


def _check_previous_has_expired(files: KeyFiles, problem: str) -> None:
    """Exit with 1 if a token of the previous key may be valid, or a process may still sign with it."""
    previous = files.previous()
    expires_at = services().key_uses.tokens_expire_at(previous.kid) if previous else None
    if previous is None or expires_at is None or expires_at <= services().clock():
        return
    raise click.ClickException(
        f"the previous key {previous.kid} {problem}, until {rfc3339_timestamp(expires_at)} if no process signs with "
        f"it any more: {RESTART}, and try again then"
    )


def _row(key: VerificationKey, *, is_signing: bool) -> JSON:
    setting = "SIGNING_KEY" if is_signing else "PREVIOUS_SIGNING_KEY"
    expires_at = services().key_uses.tokens_expire_at(key.kid)
    return {
        "role": "signing" if is_signing else "previous",
        "kid": key.kid,
        "algorithm": key.algorithm,
        "tokens_expire_at": rfc3339_timestamp(expires_at) if expires_at is not None else None,
        "source": os.environ.get(f"{setting}_FILE") or setting,
    }
