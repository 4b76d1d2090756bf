"""`python -m compilation`: compile the gateway into build/compiled, unless the copy there is current."""

import argparse
import sys
from pathlib import Path

from compilation.build import CompileError, compile_into
from compilation.copy import COPY, copy_problem


def main() -> int:
    """Compile. Return 0, or 1 if mypyc or the C compiler failed."""
    parser = argparse.ArgumentParser(prog="python -m compilation", description=__doc__)
    parser.add_argument("--into", type=Path, default=COPY, metavar="FOLDER", help=f"default: {COPY}")
    folder: Path = parser.parse_args().into
    if not copy_problem(folder):
        sys.stderr.write(f"{folder} is current\n")
        return 0
    sys.stderr.write(f"compiling the gateway into {folder}; this takes a minute or two\n")
    try:
        compile_into(folder)
    except CompileError as error:
        sys.stderr.write(f"the gateway was not compiled: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
