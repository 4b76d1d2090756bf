"""`make load`: simulate users of a running gateway. `python -m tests.load.people URL`.

Starts locust with tests/load/locustfile.py, headless or with its web page. Exit status: 0 if every response was as
expected, 1 if one was not, 2 if nothing responds at the URL.
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
    """Start locust, or print why not."""
    options = _arguments()
    if problem := why_not(options.url):
        sys.stderr.write(f"{problem}\nStart the system first; without its limits: RATE_LIMITS=off make run\n")
        return 2
    words = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", options.url.rstrip("/")]
    words += _with_page() if options.ui else _headless(options)
    with suppress(KeyboardInterrupt):  # locust gets it as well, and ends in its own way
        return subprocess.run(words, cwd=ROOT, check=False).returncode
    return 130


def why_not(url: str) -> str:
    """Return why there is nothing to measure at `url`; empty if there is."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/readyz", timeout=5) as answer:
            answer.read()
    except HTTPError as error:
        return f"{url} is not ready: it answered {error.code} to /readyz"
    except (OSError, ValueError) as error:
        return f"nothing answers at {url}: {error}"
    return ""


def _headless(options: argparse.Namespace) -> list[str]:
    options.out.mkdir(parents=True, exist_ok=True)
    report = options.out / "report.html"
    sys.stdout.write(f"the report will be {report}\n")
    sys.stdout.flush()
    crowd = ["--users", str(options.users), "--spawn-rate", str(options.spawn_rate), "--run-time", options.run_time]
    return ["--headless", "--only-summary", *crowd, "--stop-timeout", "10", "--html", str(report.absolute())]


def _with_page() -> list[str]:
    sys.stdout.write(f"steer it at http://127.0.0.1:{WEB_PORT}; Ctrl-C ends it\n")
    sys.stdout.flush()
    return ["--web-host", "127.0.0.1", "--web-port", WEB_PORT]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.people", description=__doc__)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000", help="the gateway's")
    parser.add_argument("--users", type=int, default=50, help="people at once (50), one in three with a cookie")
    parser.add_argument("--spawn-rate", type=float, default=5, help="people who come each second (5)")
    parser.add_argument("--run-time", default="60s", help="how long, as 60s or 5m (60s)")
    parser.add_argument("--out", type=Path, default=Path("build/load"), help="where report.html goes (build/load)")
    parser.add_argument("--ui", action="store_true", help="steered by a web page")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
