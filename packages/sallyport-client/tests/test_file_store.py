"""The promises of FileStore: both tokens or the earlier ones, whatever happens, and for their owner only."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sallyport_client import FileStore, StoreError, Tokens

OLD, NEW = Tokens("old-access", "old-refresh"), Tokens("new-access", "new-refresh")


class Killed(BaseException):
    """The end of a process."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file in a folder that does not exist."""
    return tmp_path / "config" / "tokens.json"


def test_tokens_are_for_their_owner_only(path: Path) -> None:
    """Mode 0600 also where a file with another mode was, and 0700 for new folders."""
    FileStore(path).save(OLD)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    FileStore(path).save(NEW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileStore(path).load() == NEW


def test_every_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    """Also its parents, whatever the umask."""
    path = tmp_path / "config" / "app" / "tokens.json"
    umask = os.umask(0)
    try:
        FileStore(path).save(OLD)
    finally:
        os.umask(umask)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]


def test_a_name_with_a_wildcard_removes_no_file_of_another_store(tmp_path: Path) -> None:
    """Only its own temporary files are those of a killed process."""
    other = tmp_path / ".ann.json.x.tmp"
    other.touch()
    os.utime(other, (0, 0))
    FileStore(tmp_path / "*.json").save(OLD)
    assert other.exists()


def test_a_write_that_ends_at_any_byte_leaves_the_earlier_tokens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at each byte, before the flush and before the rename."""
    store = FileStore(path)
    store.save(OLD)
    size = len(json.dumps({"access": NEW.access, "refresh": NEW.refresh})) + 1
    write, calls = os.write, {"fsync": os.fsync, "replace": os.replace}
    for written in range(size + 1):

        def write_part(descriptor: int, content: bytes, written: int = written) -> int:
            write(descriptor, content[:written])
            raise Killed

        monkeypatch.setattr(os, "write", write_part)
        monkeypatch.setattr(os, "unlink", lambda name: None)  # a killed process does not tidy up
        with pytest.raises(Killed):
            store.save(NEW)
        assert FileStore(path).load() == OLD
    monkeypatch.setattr(os, "write", write)
    for name, call in calls.items():

        def die(*arguments: object) -> None:
            raise Killed

        monkeypatch.setattr(os, name, die)
        with pytest.raises(Killed):
            store.save(NEW)
        assert FileStore(path).load() == OLD
        monkeypatch.setattr(os, name, call)
    store.save(NEW)
    assert FileStore(path).load() == NEW


WRITER = """
import sys
from sallyport_client import FileStore, Tokens
store = FileStore(sys.argv[1])
for number in range(10**9):
    store.save(Tokens(f"access-{number}", f"refresh-{number}" + "x" * 2000))
    if number == 0:
        print("started", flush=True)
"""


def test_a_killed_process_leaves_two_tokens_of_one_pair(path: Path) -> None:
    """SIGKILL at ten arbitrary moments of a process that does nothing but write."""
    for _ in range(10):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            for _ in range(20):
                _assert_whole(FileStore(path).load())
            process.send_signal(signal.SIGKILL)
        _assert_whole(FileStore(path).load())


def _assert_whole(tokens: Tokens | None) -> None:
    assert tokens is not None
    assert tokens.refresh.removesuffix("x" * 2000).removeprefix("refresh-") == tokens.access.removeprefix("access-")


def test_files_of_killed_processes_are_removed(path: Path) -> None:
    """They contain tokens. A file of an hour ago is not one that is being written."""
    FileStore(path).save(OLD)
    abandoned, current = path.parent / ".tokens.json.abc.tmp", path.parent / ".tokens.json.def.tmp"
    abandoned.write_text("token")
    current.write_text("token")
    os.utime(abandoned, (0, 0))
    FileStore(path).save(NEW)
    assert not abandoned.exists()
    assert current.exists()


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_file_has_no_tokens(path: Path, content: bytes) -> None:
    """As NamedTemporaryFile makes them."""
    path.parent.mkdir()
    path.write_bytes(content)
    assert FileStore(path).load() is None


@pytest.mark.parametrize(
    "content", [b"-----BEGIN PRIVATE KEY-----", b"\xff", b"[1]", b'{"access": "a"}', b'{"access": 1, "refresh": "b"}']
)
def test_another_file_is_not_overwritten_by_mistake(path: Path, content: bytes) -> None:
    """The error names it, and what to do."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"tokens\.json contains no tokens; remove it"):
        FileStore(path).load()
    assert path.read_bytes() == content


def test_a_symbolic_link_stays_one(path: Path, tmp_path: Path) -> None:
    """The file that it names is replaced."""
    FileStore(path).save(OLD)
    link = tmp_path / "link"
    link.symlink_to(path)
    FileStore(link).save(NEW)
    assert link.is_symlink()
    assert FileStore(path).load() == NEW


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Here it is a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/tokens\.json cannot be written"):
        FileStore(tmp_path / "file" / "tokens.json").save(OLD)


def test_clear_removes_the_tokens(path: Path) -> None:
    """Twice is no error."""
    store = FileStore(path)
    store.save(OLD)
    store.clear()
    store.clear()
    assert store.load() is None
    assert list(path.parent.iterdir()) == []
