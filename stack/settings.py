"""The settings of `python -m stack`, read from the environment. All problems are reported together."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stack.address import Address, Port, UnixSocket, parse_bind, parse_local_url

MAX_SOCKET_PATH = 100
"""Bytes. The path of a Unix socket has at most 107 bytes on Linux and 103 on macOS."""
LONGEST_SOCKET_NAME = "gateway-internal.sock"
"""Of the sockets in `run_dir`, the one with the longest name."""


class StartError(Exception):
    """The system cannot be started, or a command cannot be run. The message has one line per problem."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret: its setting, the file in DATA_DIR that the first start creates, and its kind ("rsa" or "random")."""

    setting: str
    file: str
    kind: str


IDENTITY_SECRET = Secret("IDENTITY_SECRET", "notes.secret", "random")
"""Shared by the gateway and the resource service (the notes)."""
SECRETS = (
    Secret("SIGNING_KEY", "signing.pem", "rsa"),
    Secret("REFRESH_SECRET", "refresh.secret", "random"),
    Secret("PEER_SECRET", "peer.secret", "random"),
    IDENTITY_SECRET,
)


PREVIOUS_SIGNING_KEY = "PREVIOUS_SIGNING_KEY"
PREVIOUS_SIGNING_KEY_FILE = "previous_signing.pem"
"""The file in DATA_DIR that has the previous signing key. It is empty until the key is rotated."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the stack.

    `given` is the environment without empty values. `run_dir` is the folder for sockets. `gateway`, `auth` and
    `resource` are the addresses on which the services listen. `grace` is REFRESH_GRACE in seconds.
    """

    given: Mapping[str, str]
    is_production: bool
    data_dir: Path
    run_dir: Path
    gateway: Address
    auth: Address
    resource: Address
    grace: int

    def address_of(self, name: str) -> Address:
        """Return the address on which the service listens."""
        return {"auth": self.auth, "resource": self.resource, "gateway": self.gateway}[name]

    @property
    def compiled(self) -> bool:
        """Return whether the gateway is to run compiled."""
        return is_on(self.given.get("GATEWAY_COMPILED", "off"))

    @property
    def embeds_redis(self) -> bool:
        """Return whether the stack starts its own Redis."""
        return not self.is_given("REDIS_URL")

    @property
    def generated(self) -> tuple[Secret, ...]:
        """Return the secrets that the environment does not give."""
        return tuple(secret for secret in SECRETS if not self.is_given(secret.setting))

    @property
    def previous_key(self) -> Path | None:
        """Return the file of the previous signing key; None if the environment gives one of the two keys."""
        given = any(map(self.is_given, ("SIGNING_KEY", PREVIOUS_SIGNING_KEY)))
        return None if given or self.is_production else self.data_dir / PREVIOUS_SIGNING_KEY_FILE

    def is_given(self, setting: str) -> bool:
        """Return whether the environment has the setting or its `_FILE` variant."""
        return setting in self.given or f"{setting}_FILE" in self.given


def is_on(switch: str) -> bool:
    """Return whether the value of a switch means on, as for the services."""
    return switch.lower() in ("on", "true", "yes", "1")


def read_settings(
    environ: Mapping[str, str], here: Path, is_present: Callable[[Path], bool] = Path.is_file
) -> Settings:
    """Return the settings in `environ`. Raises SettingsProblems with every problem.

    Relative paths start at `here`. `is_present` returns whether a file exists.
    """
    reader = _Reader({name: value for name, value in environ.items() if value})
    data_dir = reader.path("DATA_DIR", here, ".data")
    run_dir = _folder_for_sockets(data_dir, reader.given.get("TMPDIR", "/tmp"))  # noqa: S108 - made private
    settings = Settings(
        given=reader.given,
        is_production=reader.one_of("APP_ENV", "development", "production") == "production",
        data_dir=data_dir,
        run_dir=run_dir,
        gateway=reader.gateway(),
        auth=reader.service("AUTH", UnixSocket(run_dir / "auth.sock")),
        resource=reader.service("RESOURCE", UnixSocket(run_dir / "resource.sock")),
        grace=reader.number("REFRESH_GRACE", 10, 0, 600),
    )
    problems = [*reader.problems, *_missing_settings(settings, is_present)]
    if problems:
        raise SettingsProblems(settings, problems)
    return settings


class SettingsProblems(StartError):
    """The settings have problems. `settings` may contain wrong values; use them only to find more problems."""

    def __init__(self, settings: Settings, problems: Sequence[str]) -> None:
        super().__init__(*problems)
        self.settings = settings


class _Reader:
    """Reads single settings. A wrong value is recorded as a problem; the default or the wrong value is returned."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.problems: list[str] = []

    def one_of(self, name: str, *choices: str) -> str:
        value = self.given.get(name, choices[0])
        if value not in choices:
            self.problems.append(f"{name} must be one of: {', '.join(choices)}; got {value!r}")
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.given.get(name, str(default))
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        self.problems.append(f"{name} must be a whole number from {least} to {most}; got {text!r}")
        return default

    def path(self, name: str, here: Path, default: str) -> Path:
        path = Path(os.path.normpath(here / self.given.get(name, default)))
        # The path becomes part of URLs, in which these characters are delimiters.
        if any(mark in str(path) for mark in "?#%"):
            self.problems.append(f"{name} must not contain ?, # or %; got {str(path)!r}")
        return path

    def gateway(self) -> Address:
        port = Port("127.0.0.1", self.number("GATEWAY_PORT", 8000, 1, 65535))
        return self._address("GATEWAY_BIND", parse_bind, port)

    def service(self, prefix: str, default: UnixSocket) -> Address:
        if f"{prefix}_BIND" in self.given:
            self.problems.append(f"{prefix}_BIND is chosen by the stack: set {prefix}_URL instead")
        return self._address(f"{prefix}_URL", parse_local_url, default)

    def _address(self, name: str, parse: Callable[[str], Address], default: Address) -> Address:
        if name not in self.given:
            return default
        try:
            return parse(self.given[name])
        except ValueError as error:
            self.problems.append(f"{name} {error}; got {self.given[name]!r}")
            return default


def _folder_for_sockets(data_dir: Path, temporary: str) -> Path:
    """Return DATA_DIR/run, or if socket paths would be too long there, a shorter folder, the same at each start."""
    inside = data_dir / "run"
    if len(os.fsencode(inside / LONGEST_SOCKET_NAME)) <= MAX_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()
    return Path(temporary) / f"sallyport-{os.getuid()}-{digest[:16]}"


def _missing_settings(settings: Settings, is_present: Callable[[Path], bool]) -> list[str]:
    missing = []
    if settings.is_production:
        missing += [name for name in ("DATABASE_URL", "REDIS_URL") if not settings.is_given(name)]
        missing += [] if settings.is_given("DATA_DIR") else ["DATA_DIR"]
        missing += [f"{secret.setting} (or {secret.setting}_FILE)" for secret in settings.generated]
    problems = [f"{name} is missing: in production nothing is embedded or generated" for name in missing]
    if _gateway_lacks_identity_secret(settings, is_present):
        # In production DATA_DIR has no default.
        folder = (
            settings.data_dir if settings.is_given("DATA_DIR") or not settings.is_production else Path("DATA_DIR")
        )
        problems.append(
            f"{folder / IDENTITY_SECRET.file} is missing: the gateway's routes read the secret "
            "it shares with the resource service there; create it, or set GATEWAY_ROUTES to a routes file of your own"
        )
    return problems


def _gateway_lacks_identity_secret(settings: Settings, is_present: Callable[[Path], bool]) -> bool:
    if "GATEWAY_ROUTES" in settings.given:
        return False
    if settings.is_production and not settings.is_given("DATA_DIR"):
        return True
    is_generated = not settings.is_production and IDENTITY_SECRET in settings.generated
    return not is_generated and not is_present(settings.data_dir / IDENTITY_SECRET.file)
