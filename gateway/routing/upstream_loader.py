"""Make Upstream values from the [upstreams.NAME] tables of routes.toml: addresses, TLS, and identity signers."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from ssl import SSLContext

from chassis.secret_rotation.watched_secret import WatchedSecret
from contract.keys import AssertionSigner, UnusableKey
from contract.secret_list import identity_signer
from gateway.routing.environment_variables import VARIABLE
from gateway.routing.errors import ReportProblem, ValuePath
from gateway.routing.routes import AUTH_UPSTREAM, HOST_CLIENT, HOST_UPSTREAM, Address, HealthCheck, Upstream
from gateway.routing.schema import UpstreamEntry
from gateway.routing.upstream_address import parse_upstream_url
from gateway.routing.upstream_tls import TlsFileError, client_context

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)


class UpstreamLoader:
    """Loads upstreams, and reports their problems. An upstream with a problem must not be used.

    With `syntax_only`, secrets and certificate files need not exist.
    """

    def __init__(
        self, report: ReportProblem, environ: Mapping[str, str], data_dir: Path, *, syntax_only: bool
    ) -> None:
        self._report = report
        self._environ = environ
        self._data_dir = data_dir
        self._syntax_only = syntax_only

    def load(self, name: str, entry: UpstreamEntry, *, needs_identity: bool) -> Upstream:
        """Return the upstream `name`. `needs_identity`: a route that is not public uses it, so it needs a signer."""
        path = ("upstreams", name)
        if not _NAME.fullmatch(name):
            self._report(path, "a name consists of letters, digits, - and _, and begins with a letter or digit")
        signer = None
        if entry.identity and name != AUTH_UPSTREAM:
            signer = self._signer(path, entry, needs_identity)
        if entry.identity_headers and name == AUTH_UPSTREAM:
            reason = "must be omitted: the auth service receives the credentials themselves"
            self._report((*path, "identity_headers"), reason)
        tls = self._tls(path, entry)
        addresses = (self._address(url, (*path, "urls", index), tls) for index, url in enumerate(entry.urls))
        return Upstream(
            name=name,
            addresses=tuple(address for address in addresses if address is not None),
            audience=entry.audience or name,
            signer=signer,
            max_connections=entry.max_connections,
            eject_after=entry.eject_after,
            break_after=entry.break_after,
            health=HealthCheck(**entry.health.model_dump()) if entry.health else None,
            resolve_interval=entry.resolve_interval,
            max_connection_age=entry.max_connection_age,
            max_connection_requests=entry.max_connection_requests,
            host=entry.host or _default_host(entry),
            openapi=entry.openapi,
            identity_headers=tuple(entry.identity_headers.items()),
        )

    def _tls(self, path: ValuePath, entry: UpstreamEntry) -> SSLContext | None:
        names = (entry.ca_file, entry.client_cert_file, entry.client_key_file)
        if not any(url.startswith("https://") for url in entry.urls):
            if any(names):
                self._report(path, "ca_file, client_cert_file and client_key_file need an https:// URL in urls")
            return None
        if bool(entry.client_cert_file) != bool(entry.client_key_file):
            self._report(path, "client_cert_file and client_key_file must be set together")
        files = (self._data_dir / name if name and not self._syntax_only else None for name in names)
        try:
            return client_context(*files)
        except TlsFileError as error:
            self._report(path, str(error))
        return client_context(None, None, None)  # so that the addresses are checked as well

    def _address(self, url: str, path: ValuePath, tls: SSLContext | None) -> Address | None:
        """Return the address in `url`; report an invalid one and return None. With syntax_only, keep variables."""
        if self._syntax_only and VARIABLE.search(url):
            return Address(authority=url)
        try:
            return parse_upstream_url(url, tls)
        except ValueError as error:
            self._report(path, str(error))
        return None

    def _signer(
        self, path: ValuePath, entry: UpstreamEntry, needs_identity: bool
    ) -> WatchedSecret[AssertionSigner] | None:
        file, variable = entry.identity_secret_file, entry.identity_secret_env
        if file and variable:
            self._report(path, "identity_secret_file and identity_secret_env are both set; keep one")
        elif self._syntax_only and (variable or file):
            # a placeholder: it shows that a signer is configured
            return WatchedSecret(file or variable, secrets.token_hex(32), None, identity_signer)
        elif variable:
            return self._make_signer((*path, "identity_secret_env"), variable, self._environ.get(variable, ""), None)
        elif file:
            return self._signer_in_file((*path, "identity_secret_file"), file)
        elif needs_identity:
            self._report(
                path,
                "needs identity_secret_file or identity_secret_env, because a route to it is not public;"
                " set identity = false for a service that does not read identity assertions",
            )
        return None

    def _signer_in_file(self, path: ValuePath, file_name: str) -> WatchedSecret[AssertionSigner] | None:
        file = self._data_dir / file_name
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self._report(path, f"the identity secret file {file} cannot be read: {reason}")
            return None
        return self._make_signer(path, file_name, secret, file)

    def _make_signer(
        self, path: ValuePath, source: str, secret: str, file: Path | None
    ) -> WatchedSecret[AssertionSigner] | None:
        try:
            return WatchedSecret(source, secret, file, identity_signer, names=lambda signer: (signer.key_id,))
        except UnusableKey as error:
            self._report(path, f"the identity secret in {source} {error}")
        return None


def _default_host(entry: UpstreamEntry) -> str:
    # A third-party service behind TLS selects its virtual host by its own name, not by the gateway's.
    is_third_party = not entry.identity and all(url.startswith("https://") for url in entry.urls)
    return HOST_UPSTREAM if is_third_party else HOST_CLIENT
