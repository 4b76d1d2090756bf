"""Assemble a response in wire format, with the header lines that every response has.

Header lines that are the same in all responses of a worker are built once (default_response_headers.py).
"""

from http import HTTPStatus

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def complete_response(
    status: int,
    default_lines: bytes,
    lines: bytes,
    request_id: str,
    *,
    cors_lines: bytes = b"",
    connection_lines: bytes = b"",
    body: bytes = b"",
) -> bytes:
    """Return a response in wire format, up to the end of `body`.

    Each argument whose name ends in `lines` holds header lines, each ended by CRLF; `lines` are those of this
    response only. None of them may contain X-Request-Id, which this function adds.
    """
    return b"".join(
        (
            STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status,
            default_lines,
            lines,
            b"x-request-id: ",
            request_id.encode("ascii"),
            b"\r\n",
            cors_lines,
            connection_lines,
            b"\r\n",
            body,
        )
    )
