"""Secrets that are weak, used twice or readable by others, and replacements that were not finished."""

from collections.abc import Iterable, Iterator, Sequence

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from chassis.secret_rotation.key_material import MIN_RSA_BITS, is_pem
from chassis.secret_rotation.rotation import Step
from contract.keys import UnusableKey, check_secret
from doctor.finding import Problem, error, warning
from doctor.probes.ports import is_loopback
from doctor.probes.secret_files import SecretFacts

MIN_PASSWORD = 12
"""Characters of a password of Redis or a database that others can reach."""
_EXAMPLES = ("password", "changeme", "secret", "example", "postgres", "redis", "sallyport", "12345")
DAY = 86_400.0
KEY_AGE_DAYS = 400
"""A signing key that is older should be replaced: a year, and five weeks to do it."""
MARGIN_SECONDS = 7 * DAY
"""A step of a rotation that has been due for so long was forgotten."""


def weak(secrets: Iterable[SecretFacts]) -> Iterator[Problem]:
    """Return the secrets that can be guessed, or are examples."""
    for secret in _once(secrets):
        for value in secret.values:
            if reason := weakness(secret, value):
                yield error(f"{_sentence(secret.source)} {reason}.", cure(secret))
                break


def weakness(secret: SecretFacts, value: str) -> str:
    """Return why a value of the secret is weak; empty if it is not."""
    if secret.purpose.startswith("password"):
        return _password_weakness(secret, value)
    if is_pem(value):
        return _key_weakness(value)
    if secret.purpose in ("signing", "previous signing key"):
        return "is not a key in PEM form"
    try:
        check_secret(value)
    except UnusableKey as problem:
        return str(problem)
    return ""


def _password_weakness(secret: SecretFacts, value: str) -> str:
    if secret.host and is_loopback(secret.host):
        return ""
    if value == secret.user:
        return "is the user name"
    if len(value) < MIN_PASSWORD:
        return f"is shorter than {MIN_PASSWORD} characters"
    return "is an example" if any(word in value.lower() for word in _EXAMPLES) else ""


def _key_weakness(pem: str) -> str:
    try:
        is_private = "PRIVATE KEY" in pem
        key = load_pem_private_key(pem.encode(), None) if is_private else load_pem_public_key(pem.encode())
    except (ValueError, TypeError):
        return "is not a readable key"
    if isinstance(key, RSAPrivateKey | RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        return f"has {key.key_size} bits; an RSA key needs {MIN_RSA_BITS}"
    return ""


def cure(secret: SecretFacts) -> str:
    """Return how the secret is replaced."""
    if secret.purpose.startswith("password"):
        return "Set a random password at the server, such as `openssl rand -hex 24`, and in the setting."
    name = secret.purpose.removeprefix("identity:")
    return f"Replace it: `make rotate ARGS='--compromised {name}'` (docs/key-rotation.md)."


def shared(secrets: Sequence[SecretFacts]) -> Iterator[Problem]:
    """Return the secrets that are used for two purposes."""
    by_value: dict[str, list[SecretFacts]] = {}
    for secret in secrets:
        for value in secret.values:
            by_value.setdefault(value, []).append(secret)
    reported = set()
    for users in by_value.values():
        first = users[0]
        for other in users[1:]:
            if _same_purpose(first.purpose, other.purpose) or (_place(first), _place(other)) in reported:
                continue
            reported.add((_place(first), _place(other)))
            yield error(
                f"{_sentence(first.source)} is also {other.source}: a party that needs one of them has both.",
                cure(other),
            )


def _same_purpose(one: str, other: str) -> bool:
    """Return whether one secret may be used for both. IDENTITY_SECRET is that of one of the upstreams."""
    purposes = {one.replace("previous signing key", "signing"), other.replace("previous signing key", "signing")}
    if len(purposes) == 1 or all(purpose.startswith("password") for purpose in purposes):
        return True
    return "identity" in purposes and all(purpose.startswith("identity") for purpose in purposes)


def file_modes(secrets: Iterable[SecretFacts]) -> Iterator[Problem]:
    """Return the files of secrets that other users can read or change."""
    for file, source in {secret.file: secret.source for secret in secrets if secret.others_write}.items():
        yield error(f"Other users can change {source}.", f"Run `chmod 600 {file}`.")
    readable = {secret.file: secret.source for secret in secrets if secret.others_read and not secret.others_write}
    for file, source in readable.items():
        yield error(
            f"Every user of this machine can read {source}.", f"Run `chmod 600 {file}`, and replace the secret."
        )


def unreadable(secrets: Iterable[SecretFacts]) -> Iterator[Problem]:
    """Return the files of secrets that cannot be read, or whose content is unusable."""
    for secret in _once(each for each in secrets if each.problem):
        remedy = "Correct the file, or the setting that names it (docs/key-rotation.md)."
        yield error(f"{_sentence(secret.problem)}.", remedy)


def old_key(secrets: Iterable[SecretFacts], now: float) -> Iterator[Problem]:
    """Return the signing keys that have been in use for too long."""
    for secret in secrets:
        days = (now - secret.since) / DAY
        if secret.purpose == "signing" and secret.file and secret.step is Step.SINGLE and days > KEY_AGE_DAYS:
            yield warning(
                f"{_sentence(secret.source)} has been the signing key for {days:.0f} days.",
                "Replace it: `make rotate ARGS=signing` (docs/key-rotation.md).",
            )


def unfinished(secrets: Iterable[SecretFacts], now: float, refresh_lifetime: float) -> Iterator[Problem]:
    """Return the replacements that were begun and not finished. `refresh_lifetime` is in seconds."""
    for secret in {each.file: each for each in secrets if each.file}.values():
        longest = refresh_lifetime if secret.purpose == "refresh" and secret.step is Step.SIGNING else DAY
        is_forgotten = secret.step is not Step.SINGLE and now - secret.since > longest + MARGIN_SECONDS
        name = secret.purpose.removeprefix("identity:")
        if secret.is_half_written:
            yield error(
                f"A command died while it wrote {secret.source}.",
                f"Run `make rotate ARGS='--status {name}'`, which completes it.",
            )
        elif is_forgotten:
            days = (now - secret.since) / DAY
            yield warning(
                f"The replacement of {secret.source} has been at the step `{secret.step}` for {days:.0f} days.",
                f"Finish it: `make rotate ARGS={name}` (docs/key-rotation.md).",
            )
    for secret in secrets:
        is_left = secret.purpose == "previous signing key" and secret.values and secret.file
        if is_left and now - secret.since > DAY + MARGIN_SECONDS:
            yield warning(
                f"{_sentence(secret.source)} is still accepted, although its last token expired long ago.",
                f"Empty it: `truncate --size 0 {secret.file}`, and restart the auth service.",
            )


def _once(secrets: Iterable[SecretFacts]) -> Iterable[SecretFacts]:
    """Return the secrets without those in a file that several services read."""
    return {_place(secret): secret for secret in secrets}.values()


def _place(secret: SecretFacts) -> str:
    return str(secret.file or secret.source)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
