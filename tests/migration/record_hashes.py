"""Record password hashes of the libraries from which users move: `python record_hashes.py FILE`.

Runs in the environment of requirements/migration.txt. The file is compared with the verification in
tests/auth_service/accounts/foreign_hashes.
"""

import json
import sys
from pathlib import Path

import django
from django.conf import settings

PASSWORDS = (
    "Tr0ub4dor&3x",
    "pässwörd ☃ 日本",
    "a long one, beyond the seventy-two bytes that bcrypt uses: " + "x" * 60,
)
SALT = "146585145368132386173505678016728509634"


def main(path: str) -> None:
    """Write the file."""
    settings.configure(PASSWORD_HASHERS=[])
    django.setup()
    records = [
        {"system": system, "kind": kind, "password": password, "stored": stored}
        for password in PASSWORDS
        for system, kind, stored in [
            *_django(password),
            *_passlib(password),
            *_werkzeug(password),
            *_pwdlib(password),
        ]
    ]
    records += [record for password in PASSWORDS for record in _flask_security(password)]
    Path(path).write_text(json.dumps(records, indent=1, ensure_ascii=True) + "\n", encoding="ascii")


def _django(password):
    from django.contrib.auth import hashers

    for hasher in (
        hashers.PBKDF2PasswordHasher(),
        hashers.PBKDF2SHA1PasswordHasher(),
        hashers.Argon2PasswordHasher(),
        hashers.BCryptSHA256PasswordHasher(),
        hashers.ScryptPasswordHasher(),
    ):
        yield "django", hasher.algorithm, hasher.encode(password, hasher.salt())
    if len(password.encode()) <= 72:  # bcrypt 5 refuses longer ones
        plain = hashers.BCryptPasswordHasher()
        yield "django", plain.algorithm, plain.encode(password, plain.salt())
    argon2i = "argon2" + _argon2i(password)
    yield "django", "argon2 (argon2i)", argon2i


def _argon2i(password):
    from argon2 import PasswordHasher, Type

    return PasswordHasher(time_cost=2, memory_cost=512, parallelism=2, hash_len=16, salt_len=12, type=Type.I).hash(
        password
    )


def _passlib(password):
    from passlib import hash as passlib

    yield "passlib", "pbkdf2_sha256", passlib.pbkdf2_sha256.hash(password)
    yield "passlib", "pbkdf2_sha512", passlib.pbkdf2_sha512.hash(password)
    yield "passlib", "pbkdf2_sha1", passlib.pbkdf2_sha1.hash(password)
    yield "passlib", "bcrypt_sha256", passlib.bcrypt_sha256.hash(password)
    yield "passlib", "scrypt", passlib.scrypt.hash(password)
    yield "passlib", "argon2", passlib.argon2.hash(password)
    if len(password.encode()) <= 72:
        yield "passlib", "bcrypt", passlib.bcrypt.hash(password)


def _werkzeug(password):
    from werkzeug.security import generate_password_hash

    yield "werkzeug", "scrypt", generate_password_hash(password)
    yield "werkzeug", "pbkdf2:sha256", generate_password_hash(password, "pbkdf2:sha256:260000")
    yield "werkzeug", "pbkdf2:sha512", generate_password_hash(password, "pbkdf2:sha512:210000")


def _pwdlib(password):
    from pwdlib.hashers.argon2 import Argon2Hasher
    from pwdlib.hashers.bcrypt import BcryptHasher

    yield "pwdlib", "argon2", Argon2Hasher().hash(password)
    if len(password.encode()) <= 72:
        yield "pwdlib", "bcrypt", BcryptHasher().hash(password)


def _flask_security(password):
    from flask import Flask
    from flask_security import Security, hash_password
    from flask_security.datastore import UserDatastore

    for scheme in ("argon2", "bcrypt", "pbkdf2_sha512"):
        app = Flask(__name__)
        app.config.update(SECRET_KEY="x" * 40, SECURITY_PASSWORD_SALT=SALT, SECURITY_PASSWORD_HASH=scheme)
        user = type("User", (), {"fs_uniquifier": "", "email": "", "password": "", "active": True, "roles": ()})
        Security(app, UserDatastore(user, object), register_blueprint=False)
        with app.app_context():
            yield {
                "system": "flask-security",
                "kind": scheme,
                "password": password,
                "stored": hash_password(password),
                "key": SALT,
            }


if __name__ == "__main__":
    main(sys.argv[1])
