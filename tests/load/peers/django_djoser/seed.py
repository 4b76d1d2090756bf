"""`python seed.py SESSIONS`: create the tables, a user and sessions, and print the refresh tokens, one per line."""

import sys

import django
from django.core.management import call_command


def main(sessions: int) -> None:
    """Create everything in one transaction: creating sessions is not measured."""
    django.setup()
    call_command("migrate", verbosity=0)

    # Models can be imported once Django is set up.
    from django.contrib.auth.models import User
    from django.db import transaction
    from rest_framework_simplejwt.tokens import RefreshToken

    user = User.objects.create_user("ann", "ann@example.com", None)
    with transaction.atomic():
        for _ in range(sessions):
            sys.stdout.write(f"{RefreshToken.for_user(user)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
