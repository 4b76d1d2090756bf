"""`python -m gateway COMMAND`: check the gateway's configuration, or write that of the edge."""

from gateway.cli import commands

if __name__ == "__main__":
    commands(prog_name="python -m gateway")
