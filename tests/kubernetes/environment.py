"""The environment of a pod on this machine: its settings, and its mounted files in a folder."""

from pathlib import Path

from tests.kubernetes.manifests import Overlay

MOUNTS = "/etc/sallyport/"


def environ_of(overlay: Overlay, name: str, folder: Path) -> dict[str, str]:
    """Return the environment of a pod, with its mounted files below `folder`."""
    for path, text in overlay.files(name).items():
        file = folder / path.removeprefix(MOUNTS)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text or (overlay.secrets / file.name).read_text())
    return {key: value.replace(MOUNTS, f"{folder}/") for key, value in overlay.environ(name).items()}
