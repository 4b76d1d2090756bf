"""Two running systems cannot share a data folder, a socket folder or a port."""

import os
import socket
import stat
from pathlib import Path

import pytest

from stack.exclusive_use import check_ports, lock_data_dir, prepare_run_dir
from stack.settings import StartError
from tests.ports import free_port
from tests.stack.conftest import Reading


def test_a_data_dir_is_created_with_mode_700(tmp_path: Path) -> None:
    os.close(lock_data_dir(tmp_path / "new"))
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_data_dir_in_use_is_refused_until_it_is_released(tmp_path: Path) -> None:
    first = lock_data_dir(tmp_path)
    with pytest.raises(StartError, match=r"DATA_DIR .* in use"):
        lock_data_dir(tmp_path)
    os.close(first)
    os.close(lock_data_dir(tmp_path))


def test_a_data_dir_that_cannot_be_created_is_reported_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="DATA_DIR"):
        lock_data_dir(tmp_path / "file" / "below")


def test_the_socket_folder_is_changed_to_mode_700(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    prepare_run_dir(tmp_path / "run")
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


def test_a_socket_folder_that_is_a_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError):
        prepare_run_dir(tmp_path / "run")


@pytest.mark.parametrize("setting", ["GATEWAY_PORT", "GATEWAY_BIND", "AUTH_URL"])
def test_a_port_in_use_is_reported_by_its_setting(read: Reading, setting: str) -> None:
    port, other = free_port(), free_port()
    with socket.create_server(("127.0.0.1", port)):
        value = {"GATEWAY_PORT": "{}", "GATEWAY_BIND": "127.0.0.1:{}", "AUTH_URL": "http://127.0.0.1:{}"}[setting]
        settings = read(**{"GATEWAY_PORT": str(other), setting: value.format(port)})
        with pytest.raises(StartError, match=f"{setting}: cannot listen on 127.0.0.1:{port}"):
            check_ports(settings)
    check_ports(settings)
