"""Fixtures of the routing tests."""

import pytest

from tests.gateway.stand_ins.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority that the gateway trusts."""
    return Authority(tmp_path_factory.mktemp("certificates"), "ours")
