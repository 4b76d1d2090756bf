"""Keep messages as files instead of sending them, for development and for systems without a mail server."""

import os
from pathlib import Path

from auth_service.mail.transports.interface import OutgoingMessage, TransportUnavailable


class FolderTransport:
    """Writes each message to a file `<time>-<kind>-<id>.eml` in `folder`, which other users cannot read.

    The receipt is the path of the file. It has neither the address nor the link.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: OutgoingMessage) -> str:
        """Write a message and return the path of its file."""
        path = self._folder / f"{message.name}.eml"
        part = path.with_suffix(".part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(part, "wb", opener=_private) as file:
                file.write(message.content)
            part.replace(path)
        except OSError as error:
            raise TransportUnavailable(f"{path} cannot be written: {error.strerror}") from error
        return f"kept in {path}"

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
