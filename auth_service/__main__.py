"""`python -m auth_service COMMAND`: what an operator does to the service's database."""

from auth_service.cli import commands

if __name__ == "__main__":
    commands(prog_name="python -m auth_service")
