"""What is missing for a compilation is named before anything is copied."""

from pathlib import Path

import pytest

from compilation.build import CompileError, compile_into


def test_a_missing_c_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(CompileError, match="there is no C compiler no-such-compiler; on Debian"):
        compile_into(tmp_path / "compiled")
    assert list(tmp_path.iterdir()) == []
