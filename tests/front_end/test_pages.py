"""The code on the pages for front ends (docs/clients/) runs against a stack, and prints what the pages say."""

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.docs.code_blocks import code_blocks
from tests.system.support.running_stack import run_stack

CLIENT = ROOT / "client"
DRIVER = Path(__file__).with_name("react_page.mjs")
EMAIL = "ann@example.com"
PRELUDE = """
const email = "{email}", password = "behind-2-doors";
const show = () => {{}}, hide = () => {{}}, notice = () => {{}};
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the gateway of a running stack."""
    with run_stack() as stack:
        yield stack.url


@pytest.fixture(scope="module", autouse=True)
def kit() -> None:
    """Build the client, as `make test-clients` does, if that was not done yet."""
    if not (CLIENT / "node_modules").exists():
        _run("npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
    _run("npm", "run", "--silent", "build", "-w", "@sallyport/client")


@pytest.mark.parametrize("page", ["docs/clients/fetch.md", "docs/clients/axios.md"])
def test_the_page_prints_what_it_says(url: str, page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    email = f"{uuid.uuid4().hex}@example.com"
    code = PRELUDE.format(email=email) + "\n".join(block for language, block in blocks if language == "js")
    expected = "".join(block for language, block in blocks if not language)
    printed = _node(_module(page, code.replace("http://127.0.0.1:8000", url)))
    assert printed.replace(email, EMAIL) == expected


def test_the_react_page_logs_in_and_out(url: str) -> None:
    (_, code), _ = code_blocks("docs/clients/react.md", "jsx")
    source = _module("docs/clients/react.md", code.replace("http://127.0.0.1:8000", url), ".jsx")
    bundle = source.with_name("react.bundle.mjs")
    packages = ("react", "react-dom", "jsdom", "@sallyport/client")
    external = [f"--external:{package}" for package in packages]
    driver = source.with_name("react_page.mjs")
    driver.write_text(DRIVER.read_text(encoding="utf-8"), encoding="utf-8")
    options = ["--bundle", "--format=esm", "--platform=node", "--jsx=automatic", "--log-level=warning", *external]
    _run("npx", "esbuild", str(source), *options, f"--outfile={bundle}")
    printed = _node(driver, str(bundle), url, f"{uuid.uuid4().hex}@example.com")
    assert printed.splitlines() == [
        "No active account found with the given credentials",
        "Signed in as the user",
        "Log in",
    ]


def test_the_readme_of_the_package_runs(url: str) -> None:
    [(_, code)] = code_blocks("client/packages/client/README.md", "js")
    email = f"{uuid.uuid4().hex}@example.com"
    client = f'(await import("@sallyport/client")).createClient({{ url: "{url}" }})'
    register = f"await {client}.register({{ email, password }});"
    script = f"{PRELUDE.format(email=email)}{register}\n{code}\nconsole.log(notes.count);"
    assert _node(_module("README.md", script.replace("http://127.0.0.1:8000", url))) == "0\n"


def _module(page: str, code: str, suffix: str = ".mjs") -> Path:
    """Write a module to a folder where Node finds the client and its development packages."""
    folder = CLIENT / "node_modules" / ".pages"
    folder.mkdir(exist_ok=True)
    path = folder / f"{re.sub(r'[^a-z]', '-', page.lower())}{suffix}"
    path.write_text(code, encoding="utf-8")
    return path


def _node(module: Path, *arguments: str) -> str:
    done = subprocess.run(["node", str(module), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
