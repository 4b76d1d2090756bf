"""`python -m auth_service COMMAND`: the operator's commands."""

from auth_service.cli import commands

if __name__ == "__main__":
    commands(prog_name="python -m auth_service")
