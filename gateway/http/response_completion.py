"""Complete every response that the gateway sends: the one place for headers that all of them carry.

Headers that are the same in all responses of a worker are made once (default_response_headers.py) and passed in.
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

    `lines` are the header fields of this response. Each argument whose name ends in `lines` holds header fields in
    wire format, each ended by CRLF; none of them may hold an X-Request-Id.
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
