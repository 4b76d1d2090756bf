"""The answer to input that was refused before there was a request: the connection's last, with a request id."""

from typing import NamedTuple

from contract.problems import PROBLEM_JSON, Refused
from gateway.http.response_completion import complete_response


class FinalResponse(NamedTuple):
    """A refusal, and the request id that the client and the log are told."""

    refused: Refused
    request_id: str

    def to_bytes(self, default_response_lines: bytes) -> bytes:
        """Return the whole response; `default_response_lines` are ended header lines."""
        body = self.refused.to_body(self.request_id)
        lines = f"content-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\n"
        return complete_response(
            self.refused.status,
            default_response_lines,
            lines.encode("ascii"),
            self.request_id,
            connection_lines=b"connection: close\r\n",
            body=body,
        )
