"""`keys`: replace the signing key and the shared secrets step by step, and show where each replacement is."""

import os
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import click

from auth_service.api.models.base import rfc3339_timestamp
from auth_service.cli.output import JSON, confirm, json_option, print_json, print_list, yes_option
from auth_service.services import services
from auth_service.tokens.signing_keys import load_verification_key
from chassis.secret_rotation.key_material import is_pem
from chassis.secret_rotation.rotation import Rotation, Step, Waits
from chassis.secret_rotation.rotator import Progress, Target, advance, replace_at_once, rotate, state_of
from chassis.secret_rotation.secret_file import SecretFile, SecretFileError
from chassis.secret_rotation.uptime import system_uptime
from contract.claims import LEEWAY
from contract.identity import MAX_AGE
from contract.keys import UnusableKey, secret_id

_SETTINGS = {"signing": "SIGNING_KEY", "refresh": "REFRESH_SECRET", "peer": "PEER_SECRET"}
_COLUMNS = ("name", "role", "id", "since", "until", "source")
_ROLES = {
    Step.SINGLE: ("signing",),
    Step.PUBLISHED: ("signing", "published"),
    Step.SIGNING: ("signing", "retiring"),
}
"""The roles of the secrets in a file, in their order."""

_DONE = {
    "published": "{name}: published {new}; {old} signs",
    "signing": "{name}: {new} signs; {old} is still accepted",
    "retired": "{name}: done; only {new} is accepted",
    "replaced": "{name}: replaced by {new}; every other one is refused",
    "": "{name}: nothing is due",
}

names_argument = click.argument("names", nargs=-1, metavar="[NAME]...")
spread_option = click.option(
    "--spread",
    type=click.FloatRange(2, 86_400),
    default=120.0,
    show_default=True,
    help="Seconds until every process has read a changed file.",
)
cached_option = click.option(
    "--jwks-cached",
    type=click.FloatRange(0, 86_400),
    default=300.0,
    show_default=True,
    help="Seconds for which readers cache the public keys.",
)


@click.group()
def keys() -> None:
    """List and replace keys and secrets.

    NAME is signing, refresh, peer, or the path of an identity secret's file.
    """


@keys.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List the keys of access tokens. By `tokens expire at`, every token of a key has expired."""
    ring = services().keys.current()
    rows = []
    for kid, key in ring.verifying.items():
        role = "signing" if kid == ring.signing.public.kid else "accepted"
        expires_at = services().key_uses.tokens_expire_at(kid)
        rows.append(
            {"role": role, "kid": kid, "algorithm": key.algorithm, "tokens_expire_at": _timestamp(expires_at)}
        )
    print_list(rows, ("role", "kid", "algorithm", "tokens_expire_at"), as_json=as_json)


@keys.command()
@names_argument
@spread_option
@cached_option
@json_option
def status(names: Sequence[str], spread: float, jwks_cached: float, as_json: bool) -> None:
    """Show which secrets are published, sign or retire, and until when. Without a NAME: signing, refresh and peer."""
    rows: list[JSON] = []
    for target in _targets(names or tuple(_SETTINGS), spread, jwks_cached):
        try:
            rows += _rows(state_of(target, services().clock()))
        except (SecretFileError, UnusableKey) as error:
            raise click.ClickException(str(error)) from error
    print_list(rows, _COLUMNS, as_json=as_json)


@keys.command("rotate")
@names_argument
@click.option("--wait", "waits", is_flag=True, help="Make all steps that are due within an hour, and wait for each.")
@click.option("--max-age", type=click.IntRange(1), help="Begin only if the secret is at least this many days old.")
@click.option("--compromised", is_flag=True, help="Replace the secret at once, and refuse the old one.")
@spread_option
@cached_option
@yes_option
@json_option
def rotate_keys(
    names: Sequence[str],
    waits: bool,
    max_age: int | None,
    compromised: bool,
    spread: float,
    jwks_cached: float,
    is_confirmed: bool,
    as_json: bool,
) -> None:
    """Make the next step of replacing each NAME (default: signing), if it is due: publish, sign, retire.

    Run it again, or by a timer, until `keys status` shows one secret. Nothing happens while a step is not due.
    """
    targets = _targets(names or ("signing",), spread, jwks_cached)
    if compromised:
        confirm(f"Refuse the present {_listed(targets)} from now on?", is_confirmed=is_confirmed)
    results: list[JSON] = []
    try:
        for progress in _steps(targets, waits, compromised, (max_age or 0) * 86_400.0):
            results.append(_result(progress))
            if not as_json:
                click.echo(_sentence(progress))
    except (SecretFileError, UnusableKey) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(results)


def _steps(targets: Sequence[Target], waits: bool, compromised: bool, min_age: float) -> Iterable[Progress]:
    clock = services().clock
    if compromised:
        return (replace_at_once(target, clock()) for target in targets)
    if waits:
        return rotate(targets, clock, time.sleep, min_age=min_age)
    return (advance(target, clock(), begins=True, min_age=min_age) for target in targets)


def _targets(names: Sequence[str], spread: float, jwks_cached: float) -> list[Target]:
    """Return the secrets to replace. Raises ClickException for an unknown name."""
    for name in names:
        if name not in _SETTINGS and not Path(name).is_file():
            raise click.ClickException(f"NAME must be {', '.join(_SETTINGS)} or the path of a file; got {name!r}")
    return [_target(name, spread, jwks_cached) for name in dict.fromkeys(names)]


def _target(name: str, spread: float, jwks_cached: float) -> Target:
    settings = services().settings
    lifetimes = {"signing": settings.access_token_lifetime, "refresh": settings.longest_refresh_use}
    published = spread + (jwks_cached if name == "signing" else 0)
    signing = spread + lifetimes.get(name, MAX_AGE) + LEEWAY
    is_setting = name in _SETTINGS
    path = _path_of(_SETTINGS[name]) if is_setting else Path(name)
    waits = partial(_waits, published, signing, is_recorded=is_setting)
    return Target(name, SecretFile(path, publishes_keys=not is_setting), waits, system_uptime)


def _path_of(setting: str) -> Path:
    if os.environ.get(setting):
        raise click.ClickException(
            f"{setting} is in the environment and not in a file, so this command cannot change it: put it into a "
            f"file and set {setting}_FILE"
        )
    path = os.environ.get(f"{setting}_FILE")
    if not path:
        raise click.ClickException(f"{setting}_FILE is missing: it names the file to change")
    return Path(path)


def _waits(published: float, signing: float, rotation: Rotation, *, is_recorded: bool) -> Waits:
    """Return the waits of a step. What the processes have recorded counts, whatever the settings are now."""
    expires_at = None
    if is_recorded and rotation.step is Step.SIGNING:
        expires_at = services().key_uses.tokens_expire_at(_id(rotation.secrets[1]))
    return Waits(published, signing, expires_at)


def _id(secret: str) -> str:
    return load_verification_key(secret).kid if is_pem(secret) else secret_id(secret)


def _rows(progress: Progress) -> list[JSON]:
    target, rotation = progress.target, progress.rotation
    return [
        {
            "name": target.name,
            "role": role,
            "id": _id(secret),
            "since": _timestamp(rotation.since),
            "until": _timestamp(progress.due_at),
            "source": str(target.file.path),
        }
        for role, secret in zip(_ROLES[rotation.step], rotation.secrets, strict=True)
    ]


def _result(progress: Progress) -> JSON:
    return {"name": progress.target.name, "done": progress.done, "keys": _rows(progress)}


def _sentence(progress: Progress) -> str:
    ids = [_id(secret) for secret in progress.rotation.secrets]
    new, old = (ids[1], ids[0]) if progress.rotation.step is Step.PUBLISHED else (ids[0], ids[-1])
    text = _DONE[progress.done].format(name=progress.target.name, new=new, old=old)
    if progress.due_at is None:
        return text
    return f"{text}\n  next step: {_timestamp(progress.due_at)} or later"


def _listed(targets: Sequence[Target]) -> str:
    return ", ".join(target.name for target in targets)


def _timestamp(at: float | None) -> str | None:
    return rfc3339_timestamp(at) if at is not None else None
