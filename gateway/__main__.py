"""`python -m gateway COMMAND`: check the gateway's configuration without starting it."""

from gateway.cli import commands

if __name__ == "__main__":
    commands(prog_name="python -m gateway")
