"""Read the mails that a stack without an SMTP server keeps in its data folder."""

import re
import time
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from pathlib import Path

WAIT = 45.0
"""Seconds until a mail must have arrived."""


@dataclass(slots=True)
class Mailbox:
    """The mails in `folder`. Each is read once."""

    folder: Path
    _read: set[Path] = field(default_factory=set)

    def link(self, address: str) -> str:
        """Wait for the next mail to `address` that has a link to a page, and return the link."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            for file in sorted(set(self.folder.glob("*.eml")) - self._read):
                message = BytesParser(policy=policy.default).parsebytes(file.read_bytes())
                body = message.get_body(("plain",))
                if message["To"] is None or body is None or address not in str(message["To"]):
                    continue
                self._read.add(file)
                found = re.search(r"https?://\S+/confirm/\?\S+", body.get_content())
                if found:
                    return found[0]
            time.sleep(0.1)  # another process writes the file: no clock to move
        raise AssertionError(f"no mail with a link arrived for {address}")
