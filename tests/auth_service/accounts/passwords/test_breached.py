"""Breached passwords are found in a local list of either form, and an unusable list stops the start."""

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from auth_service.accounts.passwords.breached import BreachedPasswords
from auth_service.settings import AuthSettings
from chassis.settings import SettingsError, load
from tests.auth_service.breach_lists import padding, sha1, write_file, write_folder

WriteList = Callable[[Path, Mapping[str, int]], Path]


@pytest.fixture(params=[write_file, write_folder])
def write_list(request: pytest.FixtureRequest) -> WriteList:
    """Write a list in one of the two forms."""
    write: WriteList = request.param
    return write


@pytest.mark.parametrize("others", [0, 1, 2, 3, 1_000])
def test_exactly_the_passwords_of_the_list_are_found(write_list: WriteList, tmp_path: Path, others: int) -> None:
    """The first, the last and every other one, in lists of any length."""
    counts = padding(others) | {"hunter2 hunter2": 17}
    breached = BreachedPasswords(write_list(tmp_path / "list", counts), 1)
    assert all(breached.contains(password) for password in counts)
    assert not any(breached.contains(f"not listed {number}") for number in range(1_000))


def test_a_password_below_the_minimum_count_is_not_breached(write_list: WriteList, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list", {"rare one": 9, "frequent one": 10, "padded": 0})
    breached = BreachedPasswords(path, 10)
    assert breached.contains("frequent one")
    assert not breached.contains("rare one")
    assert not BreachedPasswords(path, 1).contains("padded")


def test_a_password_is_found_in_the_form_that_was_typed_and_in_its_normal_form(
    write_list: WriteList, tmp_path: Path
) -> None:
    """Other sites hash what was typed; this service hashes the normal form."""
    breached = BreachedPasswords(write_list(tmp_path / "list", padding(9) | {"pa\u0308ss": 1, "w\u00f6rd": 1}), 1)
    assert breached.contains("pa\u0308ss")
    assert not breached.contains("p\u00e4ss")
    assert breached.contains("wo\u0308rd")
    assert breached.contains("w\u00f6rd")


def test_lists_without_counts_and_in_lower_case_are_read(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("".join(f"{digest.lower()}\n" for digest in sorted(map(sha1, padding(50)))))
    breached = BreachedPasswords(path, 1)
    assert breached.contains("another password 7")
    assert not breached.contains("not listed")


def test_a_search_reads_a_small_part_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 256 bytes in each of log2(size) steps, whatever the size of the file."""
    path = tmp_path / "list"
    lines = sorted(f"{random.Random(number).getrandbits(160):040X}:{number + 1}\r\n" for number in range(20_000))
    path.write_bytes("".join(lines).encode())
    read: list[int] = []
    pread = os.pread

    def recording_pread(descriptor: int, length: int, offset: int) -> bytes:
        read.append(length)
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", recording_pread)
    BreachedPasswords(path, 1).contains("not listed")
    assert len(read) <= 21
    assert max(read) == 256


def test_a_list_that_was_replaced_is_used_at_once(write_list: WriteList, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list", {"old": 1})
    breached = BreachedPasswords(path, 1)
    assert not breached.contains("new")
    path.rename(tmp_path / "before")
    write_list(path, {"new": 1})
    assert breached.contains("new")


def test_a_list_that_cannot_be_read_later_refuses_nothing_and_is_logged(
    write_list: WriteList, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log has no part of the password's hash."""
    path = write_list(tmp_path / "list", {"one": 1})
    breached = BreachedPasswords(path, 1)
    path.rename(tmp_path / "elsewhere")
    assert not breached.contains("one")
    output = capsys.readouterr().out
    assert "breached_passwords_unreadable" in output
    assert sha1("one")[:5] not in output
    path.write_bytes(b"x" * 5_000)
    assert not breached.contains("one")
    assert "too long" in capsys.readouterr().out


# --- the start ------------------------------------------------------------------------------------------------------


def start_error(environ: dict[str, str], path: Path) -> str:
    with pytest.raises(SettingsError) as error:
        load(AuthSettings, environ | {"BREACHED_PASSWORDS": str(path)})
    return str(error.value)


def test_a_usable_list_lets_the_service_start(environ: dict[str, str], write_list: WriteList, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list", padding(2_000))
    assert load(AuthSettings, environ | {"BREACHED_PASSWORDS": str(path)}).breached_passwords == path


def test_a_missing_list_stops_the_start(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "missing"
    assert start_error(environ, path) == (
        f"BREACHED_PASSWORDS cannot be read: No such file or directory; got '{path}'"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"password\r\n12345678\r\n", "must have lines of 40 hexadecimal digits"),
        (b"A" * 32 + b":7\r\n", "must have lines of 40 hexadecimal digits"),
        (b"A" * 40 + b":many\r\n", "must have lines of 40 hexadecimal digits"),
        (b"B" * 40 + b":7\r\n" + b"A" * 40 + b":7\r\n", "must be sorted by hash"),
        (b"A" * 1_000, "has a line that is too long"),
    ],
)
def test_a_file_of_another_form_stops_the_start(
    environ: dict[str, str], tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    assert start_error(environ, path).startswith(f"BREACHED_PASSWORDS {reason}")


def test_a_file_sorted_by_count_stops_the_start(environ: dict[str, str], tmp_path: Path) -> None:
    """haveibeenpwned.com publishes the list in this order too."""
    path = tmp_path / "list"
    path.write_text("".join(f"{sha1(password)}:{count}\n" for password, count in padding(5_000).items()))
    assert start_error(environ, path).startswith("BREACHED_PASSWORDS must be sorted by hash")


def test_a_folder_without_ranges_or_with_a_malformed_one_stops_the_start(
    environ: dict[str, str], tmp_path: Path
) -> None:
    assert "BREACHED_PASSWORDS must be a folder with files such as 21BD1.txt" in start_error(environ, tmp_path)
    (tmp_path / "ABCDE.txt").write_text("no hashes")
    assert "BREACHED_PASSWORDS has a malformed file: ABCDE.txt must have lines of 35" in start_error(
        environ, tmp_path
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_list_stops_the_start(environ: dict[str, str], tmp_path: Path) -> None:
    path = write_file(tmp_path / "list", {"one": 1})
    path.chmod(0)
    assert "BREACHED_PASSWORDS cannot be read: Permission denied" in start_error(environ, path)
