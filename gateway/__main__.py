"""`python -m gateway COMMAND`: what an operator asks about the gateway, without starting it."""

from gateway.cli import commands

if __name__ == "__main__":
    commands(prog_name="python -m gateway")
