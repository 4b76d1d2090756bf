"""The answer to input that was refused before there was a request: the connection's last, with a request id."""

from typing import NamedTuple

from contract.problems import PROBLEM_JSON, Refused
from gateway.server.request_cycle import STATUS_LINES


class FinalResponse(NamedTuple):
    """A refusal, and the request id that the client and the log are told."""

    refused: Refused
    request_id: str

    def to_bytes(self, default_response_lines: bytes) -> bytes:
        """Return the whole answer; `standing_lines` are the fields that every answer has, as ended lines."""
        body = self.refused.to_body(self.request_id)
        fields = (
            f"content-type: {PROBLEM_JSON}",
            f"content-length: {len(body)}",
            f"x-request-id: {self.request_id}",
            "cache-control: no-store",
            "connection: close",
            "",
            "",
        )
        return STATUS_LINES[self.refused.status] + default_response_lines + "\r\n".join(fields).encode() + body
