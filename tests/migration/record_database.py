"""Record databases and tokens of the Django project: `python record_database.py FOLDER`.

Runs in the environment of requirements/migration.txt. It writes `django_auth.sql` (Django's own user model),
`django_people.sql` (a custom one with UUIDs) and `tokens.json`, with which tests/auth_service/importing works.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).with_name("django_project")
SECRET = "django-insecure-7x=k2&w!q5j^0v#t9@mz$e4r+bn6h*ly(8u3c_d1pgf)ao-is%w"
PASSWORD = "Tr0ub4dor&3x"
MODELS = {"django_auth": "auth.User", "django_people": "people.Person"}


def main(folder: Path) -> None:
    """Record each model in a process of its own."""
    tokens = {}
    for name, model in MODELS.items():
        with tempfile.TemporaryDirectory() as temporary:
            database = Path(temporary) / "django.db"
            environ = {
                **os.environ,
                "PYTHONPATH": str(PROJECT),
                "DJANGO_SETTINGS_MODULE": "settings",
                "PROJECT_SECRET": SECRET,
                "PROJECT_DATABASE": f"sqlite:///{database}",
                "PROJECT_USER_MODEL": model,
            }
            fill = [sys.executable, __file__, "--fill", model]
            done = subprocess.run(fill, env=environ, check=True, capture_output=True, text=True)
            tokens[name] = json.loads(done.stdout)
            (folder / f"{name}.sql").write_text(_dump(database), encoding="utf-8")
    document = {"secret": SECRET, "password": PASSWORD, **tokens}
    (folder / "tokens.json").write_text(json.dumps(document, indent=1) + "\n", encoding="ascii")


def fill(model: str) -> None:
    """Create the tables, the users and the tokens; print the tokens as JSON."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)
    users = _auth_users() if model == "auth.User" else _people()
    sys.stdout.write(json.dumps(_tokens(users["ann"])))


def _auth_users():
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import Group, User

    def add(name, email, hasher="scrypt", **fields):
        return User.objects.create(
            username=name, email=email, password=make_password(PASSWORD, None, hasher), **fields
        )

    ann = add("ann", "ann@example.org", "pbkdf2_sha256", first_name="Ann", last_name="Lee", is_staff=True)
    add("argon2", "argon2@example.org", "argon2")
    add("bcrypt", "bcrypt@example.org", "bcrypt")
    add("bcrypt-sha256", "bcrypt-sha256@example.org", "bcrypt_sha256")
    add("scrypt", "scrypt@example.org", "scrypt", is_superuser=True)
    add("sha1", "sha1@example.org", "pbkdf2_sha1")
    add("md5", "md5@example.org", "md5")
    add("barred", "barred@example.org", is_active=False)
    unusable = add("unusable", "unusable@example.org")
    unusable.set_unusable_password()
    unusable.save()
    add("no-address", "")
    add("bad-address", "not an address")
    add("second-ann", "ANN@Example.org")
    editor = add("editor", "editor@example.org", first_name="Zoë")
    editor.groups.add(Group.objects.create(name="Content editors"))
    return {"ann": ann}


def _people():
    from django.contrib.auth import get_user_model

    people = get_user_model().objects
    ann = people.create_user("ann@example.org", PASSWORD, given_name="Ann", surname="Lee", is_editor=True)
    people.create_user("long@example.org", PASSWORD, given_name="x" * 200)
    people.create_user("off@example.org", PASSWORD, is_enabled=False)
    return {"ann": ann}


def _tokens(user):
    from rest_framework_simplejwt.tokens import RefreshToken

    refresh, blacklisted, second = (
        RefreshToken.for_user(user),
        RefreshToken.for_user(user),
        RefreshToken.for_user(user),
    )
    blacklisted.blacklist()
    return {
        "user_id": str(user.pk),
        "issued_at": refresh["iat"],
        "refresh": str(refresh),
        "second_refresh": str(second),
        "access": str(refresh.access_token),
        "blacklisted": str(blacklisted),
    }


def _dump(database: Path) -> str:
    kept = ("auth_user", "auth_group", "people_", "token_blacklist_")
    with sqlite3.connect(database) as connection:
        lines = [line for line in connection.iterdump() if any(f'"{name}' in line for name in kept)]
    # Triggers, indexes and constraints on tables that are left out are not needed.
    return "\n".join(line for line in lines if not line.startswith(("CREATE INDEX", "CREATE UNIQUE"))) + "\n"


if __name__ == "__main__":
    if sys.argv[1] == "--fill":
        fill(sys.argv[2])
    else:
        main(Path(sys.argv[1]))
