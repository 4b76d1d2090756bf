"""Send a forged Host to every endpoint of a service, and look for it in the responses."""

from collections.abc import Iterator, Mapping

from flask import Flask

HOST = "evil.example"
_SAFE = ("GET", "HEAD", "OPTIONS")


def requests_that_echo_host(app: Flask, headers: Mapping[str, str], url_variables: Mapping[str, str]) -> list[str]:
    """Send requests to every URL rule of `app`, and return those whose response contains HOST.

    `url_variables` has a value for each variable of the rules, such as `user_id`.
    """
    client = app.test_client()
    found = []
    for path in _paths(app, url_variables):
        for method in _SAFE:
            response = client.open(
                path, method=method, base_url=f"http://{HOST}", headers={**headers, "X-Forwarded-Host": HOST}
            )
            body = "" if response.mimetype == "text/event-stream" else response.get_data(as_text=True)
            response.close()
            if HOST in f"{response.headers}{body}":
                found.append(f"{method} {path}")
    return found


def _paths(app: Flask, url_variables: Mapping[str, str]) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        segments = (
            url_variables.get(part.strip("<>").rpartition(":")[2], "x") if "<" in part else part
            for part in rule.rule.split("/")
        )
        path = "/".join(segments)
        yield from (path, path.rstrip("/"), f"{path}?page=1&page_size=1&page=2", f"{path}//")
