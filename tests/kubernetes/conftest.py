"""The rendered overlays of deploy/kubernetes."""

import pytest

from tests.kubernetes.manifests import OVERLAYS, Overlay, render


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Overlay:
    """An overlay, rendered with kubectl."""
    return render(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Overlay:
    """The overlay for production, rendered with kubectl."""
    return render("production", tmp_path_factory.mktemp("production"))
