"""The snippets of docs/another-language.md accept exactly the assertions that the package for Python accepts."""

import json
import os
import re
import shutil
import subprocess
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import pytest

from contract.identity import sign
from contract.keys import assertion_signer
from sallyport_service import Identity
from sallyport_service.assertion import InvalidAssertion, verify
from sallyport_service.keys import verification_key

PAGE = (Path(__file__).parents[2] / "docs" / "another-language.md").read_text(encoding="utf-8")
PACKAGES = Path(__file__).parent / "another_language"
JACKSON = Path(os.environ.get("JACKSON_JARS", "/usr/share/java"))
SECRET = "c2b1f6e09d8a7b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c"
ANN = Identity("4b1f0c7e", "8a2e9f6a", "zoé@exämple.org", ("staff", "user"))

GO = """
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		caller, err := ReadIdentity(lines.Text())
		text, _ := json.Marshal(caller)
		if err != nil {
			text = []byte("null")
		}
		fmt.Println(string(text))
	}
}
"""
JAVA = """
public class Main {
    public static void main(String[] arguments) throws Exception {
        var json = new com.fasterxml.jackson.databind.ObjectMapper();
        var lines = new java.util.Scanner(System.in, "UTF-8");
        while (lines.hasNextLine()) {
            try {
                var caller = Identity.read(lines.nextLine());
                System.out.println(json.writeValueAsString(java.util.Map.of("sub", caller.subject(),
                    "sid", caller.session(), "email", caller.email(), "roles", caller.roles())));
            } catch (SecurityException refused) {
                System.out.println("null");
            }
        }
    }
}
"""
NODE = """
import { createInterface } from "node:readline";
import * as found from "./%s";
const readIdentity = found.readIdentity ?? found.default.readIdentity;
for await (const line of createInterface({ input: process.stdin })) {
  try { console.log(JSON.stringify(await readIdentity(line))); } catch { console.log("null"); }
}
"""


def snippet(name: str) -> str:
    """Return the code block of the page whose first line names the file `name`."""
    blocks: list[str] = re.findall(r"```(?:js|go|java)\n(.*?)```", PAGE, re.DOTALL)
    (found,) = (block for block in blocks if name in block.partition("\n")[0])
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the secret as `openssl rand -hex 32` writes it: with a line end."""
    (tmp_path / "reports.secret").write_text(f"{SECRET}\n")
    return tmp_path


@pytest.fixture(scope="module")
def node_packages() -> Path:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    if not (PACKAGES / "node_modules" / "jose").is_dir():
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, check=False, timeout=50)
        assert done.returncode == 0, done.stderr
    return PACKAGES / "node_modules"


def assertions() -> dict[str, str]:
    """Return test assertions, each with a name for its case. Most of them are invalid."""
    now, signer = time.time(), assertion_signer(SECRET)

    def signed(at: float = now, lifetime: int = 60, audience: str = "reports", secret: str = SECRET) -> str:
        return sign(ANN, signer=assertion_signer(secret), audience=audience, now=at, lifetime=lifetime)

    def altered(part: int, old: str, new: str) -> str:
        """Return an assertion whose header (part 0) or claims (part 1) are changed before it is signed."""
        parts = signed().split(".")
        plain = _decoded(parts[part])
        assert old in plain
        parts[part] = _encoded(plain.replace(old, new))
        signature = signer.sign(".".join(parts[:2]).encode())
        return ".".join((*parts[:2], _encoded(signature)))

    return {
        "valid": signed(),
        "half a minute old": signed(now - 30),
        "from a clock that is 5 seconds ahead": signed(now + 5),
        "from a clock that is 30 seconds ahead": signed(now + 30),
        "too old": signed(now - 61),
        "expired within the leeway": signed(now - 35, 30),
        "expired": signed(now - 45, 30),
        "for another audience": signed(audience="notes"),
        "signed with another key": signed(secret=SECRET[::-1]),
        "with the type of an access token": altered(0, "identity+jwt", "at+jwt"),
        "of another version": altered(1, '"ver":1', '"ver":2'),
        "of another issuer": altered(1, "sallyport-gateway", "somebody"),
        "without a subject": altered(1, '"sub"', '"bus"'),
        "for several audiences": altered(1, '"aud":"reports"', '"aud":["reports"]'),
        "without an expiry": altered(1, '"exp"', '"pxe"'),
        "unsigned": altered(0, "HS256", "none").rpartition(".")[0] + ".",
        "two assertions, joined by a comma": f"{signed()},{signed()}",
        "not a JWT": "me",
        "empty": "",
    }


def _decoded(part: str) -> str:
    return urlsafe_b64decode(part + "==").decode()


def _encoded(plain: str | bytes) -> str:
    return urlsafe_b64encode(plain.encode() if isinstance(plain, str) else plain).decode().rstrip("=")


def results_of(command: list[str], folder: Path, presented: dict[str, str]) -> dict[str, object]:
    """Return what the snippet returns for each assertion: its claims, or None."""
    done = subprocess.run(
        command,
        cwd=folder,
        input="\n".join([*presented.values(), ""]),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(presented, map(json.loads, done.stdout.splitlines()), strict=True))


def subject_of(assertion: str) -> str | None:
    """Return the subject that the project's own verifier reads; None for an invalid assertion."""
    try:
        return verify(assertion, key=verification_key(SECRET), audience="reports", now=time.time()).subject
    except InvalidAssertion:
        return None


def assert_agrees_with_our_verifier(command: list[str], folder: Path) -> None:
    presented = assertions()
    results = results_of(command, folder, presented)
    subjects = {name: claims["sub"] if isinstance(claims, dict) else None for name, claims in results.items()}
    assert subjects == {name: subject_of(assertion) for name, assertion in presented.items()}
    valid = results["valid"]
    assert isinstance(valid, dict)
    assert (valid["sid"], valid["email"], valid["roles"]) == (ANN.session, ANN.email, "staff user")


@pytest.mark.parametrize("file", ["identity.mjs", "identity.cjs"])
def test_the_node_snippets_agree_with_our_verifier(file: str, folder: Path, node_packages: Path) -> None:
    (folder / file).write_text(snippet(file))
    (folder / "node_modules").symlink_to(node_packages)
    (folder / "main.mjs").write_text(NODE % file)
    assert_agrees_with_our_verifier(["node", "main.mjs"], folder)


@pytest.mark.skipif(not shutil.which("go"), reason="go is not installed")
def test_the_go_snippet_agrees_with_our_verifier(folder: Path) -> None:
    (folder / "identity.go").write_text(snippet("identity.go"))
    (folder / "main.go").write_text(GO)
    (folder / "go.mod").write_text("module identity\n\ngo 1.19\n")
    subprocess.run(["go", "build", "-o", "identity", "."], cwd=folder, check=True)
    assert_agrees_with_our_verifier(["./identity"], folder)


@pytest.mark.skipif(
    not shutil.which("javac") or not (JACKSON / "jackson-databind.jar").exists(),
    reason="a JDK or Jackson is not installed (Debian: libjackson2-databind-java)",
)
def test_the_java_snippet_agrees_with_our_verifier(folder: Path) -> None:
    (folder / "Identity.java").write_text(snippet("Identity.java"))
    (folder / "Main.java").write_text(JAVA)
    path = f"{folder}:{JACKSON}/*"
    subprocess.run(["javac", "-encoding", "UTF-8", "-cp", path, "Main.java", "Identity.java"], cwd=folder, check=True)
    assert_agrees_with_our_verifier(["java", "-Dfile.encoding=UTF-8", "-cp", path, "Main"], folder)
