"""`make load`: simulate users of a running gateway. `python -m tests.load.users URL`.

Starts locust with tests/load/users/locustfile.py, headless or with its web page. Exit status: 0 if every response was
as expected, 1 if one was not, 2 if nothing responds at the URL.
"""

import argparse
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

from stack.plan import ROOT

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
WEB_PORT = "8089"


def main() -> int:
    """Run locust and return the exit status."""
    options = _arguments()
    if problem := problem_with(options.url):
        sys.stderr.write(f"{problem}\nStart the system first, without rate limits: RATE_LIMITS=off make run\n")
        return 2
    arguments = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", options.url.rstrip("/")]
    arguments += _with_page() if options.ui else _headless(options)
    with suppress(KeyboardInterrupt):  # locust receives it as well and ends by itself
        return subprocess.run(arguments, cwd=ROOT, check=False).returncode
    return 130


def problem_with(url: str) -> str:
    """Return why the gateway at `url` cannot be used, or an empty string."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/readyz", timeout=5) as response:
            response.read()
    except HTTPError as error:
        return f"{url} is not ready: /readyz responded with {error.code}"
    except (OSError, ValueError) as error:
        return f"nothing responds at {url}: {error}"
    return ""


def _headless(options: argparse.Namespace) -> list[str]:
    options.out.mkdir(parents=True, exist_ok=True)
    report = options.out / "report.html"
    sys.stdout.write(f"the report will be in {report}\n")
    sys.stdout.flush()
    load = ["--users", str(options.users), "--spawn-rate", str(options.spawn_rate), "--run-time", options.run_time]
    return ["--headless", "--only-summary", *load, "--stop-timeout", "10", "--html", str(report.absolute())]


def _with_page() -> list[str]:
    sys.stdout.write(f"control it at http://127.0.0.1:{WEB_PORT}; stop it with Ctrl-C\n")
    sys.stdout.flush()
    return ["--web-host", "127.0.0.1", "--web-port", WEB_PORT]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.users", description=__doc__)
    parser.add_argument(
        "url", nargs="?", default="http://127.0.0.1:8000", help="URL of the gateway (http://127.0.0.1:8000)"
    )
    parser.add_argument("--users", type=int, default=50, help="simulated users (50), one in three with a cookie")
    parser.add_argument("--spawn-rate", type=float, default=5, help="users that start per second (5)")
    parser.add_argument("--run-time", default="60s", help="duration, such as 60s or 5m (60s)")
    parser.add_argument("--out", type=Path, default=Path("build/load"), help="folder of report.html (build/load)")
    parser.add_argument("--ui", action="store_true", help="control the load on a web page")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
