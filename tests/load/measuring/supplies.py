"""The supplies of a measurement: tokens, sessions, documents and files of requests, in one folder."""

from dataclasses import dataclass
from pathlib import Path

from tests.load.measuring.tokens import Signer, TokenFile
from tests.load.measuring.traffic import (
    CLIENTS,
    Client,
    Shares,
    make_clients,
    make_requests,
    write_requests,
    write_sessions,
)

CONNECTIONS = 32
POSTED = 10 * 1024
"""Bytes of a small request body."""
BIG = 1024 * 1024
"""Bytes of a large body."""
LIST = 20 * 1024
"""Bytes of a list."""
NOTE = 300
"""Bytes of a small document."""
NEWS = tuple(f"news-{number}.json" for number in range(8))
"""The bodies of the responses with a new head; their lengths differ by a byte."""


@dataclass(frozen=True, slots=True)
class Supplies:
    """The tokens and bodies that turns send and expect; `unseen` and `many` are files of tokens."""

    folder: Path
    clients: list[Client]
    token: str
    bad_token: str
    unseen: TokenFile
    many: TokenFile
    turn: int
    """Number of tokens of a turn in which every token is new."""

    @property
    def note(self) -> str:
        """Return the path of the small document."""
        return str(self.folder / "note.json")

    def body(self, name: str) -> str:
        """Return the path of a body's file."""
        return str(self.folder / name)

    def requests(self, name: str, shares: Shares) -> Path:
        """Return the path of a file of requests, which is written when it is used for the first time."""
        path = self.folder / f"{name}.requests"
        return path if path.exists() else write_requests(path, make_requests(shares, self.clients))

    def remove_requests(self) -> None:
        """Remove the files of requests: each has about 50 MB."""
        for path in self.folder.glob("*.requests"):
            path.unlink()


def make_supplies(folder: Path, signer: Signer, *, rounds: int, many: int, turn: int) -> Supplies:
    """Write the files. A turn of unseen tokens has `turn` of them."""
    start = '{"id":"0f9d6c4e","title":"A note","body":"'
    (folder / "note.json").write_text(start + "x" * (NOTE - len(start) - 2) + '"}')
    for number, name in enumerate(NEWS):
        (folder / name).write_text(start + "y" * (NOTE - len(start) - 2 + number) + '"}')
    (folder / "list.json").write_text('{"body":"' + "x" * (LIST - 11) + '"}')
    (folder / "posted.json").write_text('{"body":"' + "x" * (POSTED - 11) + '"}')
    (folder / "big.json").write_text('{"body":"' + "x" * (BIG - 11) + '"}')
    clients = make_clients(signer.sign() for _ in range(CLIENTS))
    write_sessions(folder / "sessions.json", clients)
    token = signer.sign()
    return Supplies(
        folder,
        clients,
        token,
        _with_another_signature(token),
        signer.write(folder / "unseen.tokens", rounds * (turn + 2 * CONNECTIONS)),
        signer.write(folder / "many.tokens", many),
        turn,
    )


def _with_another_signature(token: str) -> str:
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{signature[::-1]}"
