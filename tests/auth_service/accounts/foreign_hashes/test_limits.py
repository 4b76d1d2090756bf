"""A hash whose verification would exhaust the process, or that is malformed, is refused before it is computed."""

import time

import pytest

from auth_service.accounts.foreign_hashes.foreign_hash import UnsupportedHash
from auth_service.accounts.foreign_hashes.scheme import ForeignHashes

HASHES = ForeignHashes(flask_security_salt="salt")
KEY = "A" * 43
HEX = "ab" * 32

TOO_COSTLY = [
    f"pbkdf2_sha256$5000001$salt${KEY}=",
    f"pbkdf2_sha256$99999999999999999999$salt${KEY}=",
    f"$pbkdf2-sha256$2500001$c2FsdA${'A' * 86}",  # two blocks: twice the cost
    f"pbkdf2:sha512:6000000$salt${HEX}",
    f"scrypt$1073741824$salt$8$1${KEY}=",
    f"scrypt$16384$salt$8$1000000${KEY}=",
    f"scrypt$2$salt$1073741824$1${KEY}=",
    f"scrypt:1048576:8:1$salt${HEX}",
    f"$scrypt$ln=31,r=8,p=1$c2FsdA${KEY}",
    f"$scrypt$ln=4294967295,r=8,p=1$c2FsdA${KEY}",
    "$2b$31$HzE6.Q35z0PotnPm3UILfua74rT/7w8OcSkmOl3mY8u5lNfKvybYW",
    "bcrypt_sha256$$2b$16$HzE6.Q35z0PotnPm3UILfua74rT/7w8OcSkmOl3mY8u5lNfKvybYW",
    f"$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHRzYWx0${KEY}",
    f"argon2$argon2id$v=19$m=102400,t=1000000,p=8$c2FsdHNhbHRzYWx0${KEY}",
    f"$argon2i$v=19$m=8,t=1,p=9999999$c2FsdHNhbHRzYWx0${KEY}",
]

MALFORMED = [
    "",
    "!",
    "!V1dveThVMFN0NUJCbUNvdndi",
    "plain text",
    "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "sha1$salt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
    "5f4dcc3b5aa765d61d8327deb882cf99",
    "pbkdf2_sha256$",
    "pbkdf2_sha256$0$salt$" + KEY,
    "pbkdf2_sha256$-1$salt$" + KEY,
    "pbkdf2_sha256$\u0661\u0662$salt$" + KEY,
    "pbkdf2_sha256$1000$salt$!!",
    "pbkdf2_sha256$1000$salt$",
    "pbkdf2_md5$1000$salt$" + KEY,
    "pbkdf2:sha256$salt$" + HEX,
    "pbkdf2:sha256:1000$salt$xyz",
    "scrypt$3$salt$8$1$" + KEY,
    "scrypt$0$salt$8$1$" + KEY,
    "scrypt:2:8$salt$" + HEX,
    "scrypt:2",
    "$scrypt$ln=4,r=8$c2FsdA$" + KEY,
    "$2b$12$short",
    "$2x$12$HzE6.Q35z0PotnPm3UILfua74rT/7w8OcSkmOl3mY8u5lNfKvybYW",
    "$bcrypt-sha256$2a,12$tcx9devByrR4nLJ9OgDwQe$sCJTWnwLHsunQj7mS3A8TeYGkSy//yi",
    "$argon2d$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$" + KEY,
    "$argon2id$v=16$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$" + KEY,
    "$flask-security$$flask-security$$2b$12$HzE6.Q35z0PotnPm3UILfua74rT/7w8OcSkmOl3mY8u5lNfKvybYW",
    "$flask-security$plain",
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,key=0000000000000000$c2FsdA==$" + KEY,
    "$2b$12$" + "A" * 10_000,
]


@pytest.mark.parametrize("stored", [*TOO_COSTLY, *MALFORMED])
def test_the_hash_is_refused_at_once(stored: str) -> None:
    began_at = time.thread_time()

    with pytest.raises(UnsupportedHash) as refusal:
        HASHES.read(stored)

    assert not HASHES.recognizes(stored)
    assert not HASHES.verify(stored, "password").is_right
    assert refusal.value.reason
    assert not stored or len(stored) < 3 or stored not in refusal.value.reason
    assert time.thread_time() - began_at < 0.5


@pytest.mark.parametrize("password", ["", "\x00", "a\x00b", "\ud800", "x" * 300, "\U0001f600" * 100])
def test_no_password_raises_an_error(password: str) -> None:
    cheap = [
        f"pbkdf2_sha256$1$salt${KEY}=",
        f"scrypt$2$salt$8$1${KEY}=",
        "$2b$04$HzE6.Q35z0PotnPm3UILfua74rT/7w8OcSkmOl3mY8u5lNfKvybYW",
        "bcrypt_sha256$$2b$04$HzE6.Q35z0PotnPm3UILfua74rT/7w8OcSkmOl3mY8u5lNfKvybYW",
        f"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0${KEY}",
        "$flask-security$$2b$04$HzE6.Q35z0PotnPm3UILfua74rT/7w8OcSkmOl3mY8u5lNfKvybYW",
    ]
    for stored in cheap:
        assert HASHES.recognizes(stored), stored
        assert not HASHES.verify(stored, password).is_right
