"""The example of the README runs as it stands."""

import re
from pathlib import Path

import pytest
from fake_gateway import FakeGateway

README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs_twice(
    gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second time without a log-in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    [example] = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    example = example.replace("http://127.0.0.1:8000", gateway.url).replace("behind-2-doors", "right")
    for _ in range(2):
        exec(compile(example, str(README), "exec"), {})
    assert capsys.readouterr().out == "{'length': 0}\n" * 2
    assert gateway.count("/auth/jwt/create/") == 1
