"""Makes upstreams of what routes.toml says of them: addresses, TLS, and the secrets that sign their assertions."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from ssl import SSLContext

from contract.keys import AssertionSigner, WeakKey, assertion_signer
from gateway.routing.environment_variables import VARIABLE
from gateway.routing.errors import Complain
from gateway.routing.routes import AUTH_UPSTREAM, HOST_CLIENT, HOST_UPSTREAM, Address, HealthCheck, Upstream
from gateway.routing.schema import UpstreamForm
from gateway.routing.toml_lines import Place
from gateway.routing.upstream_address import read_address
from gateway.routing.upstream_tls import TlsFileRefused, client_context

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)


def _default_host(written: UpstreamForm) -> str:
    # A foreign service over TLS answers for its own name: it would find no virtual host by ours.
    foreign = not written.identity and all(url.startswith("https://") for url in written.urls)
    return HOST_UPSTREAM if foreign else HOST_CLIENT


class UpstreamsSection:
    """`[upstreams.NAME]`. What is wrong is complained of; such an upstream is worth nothing.

    For the form only, secrets and files need not be there.
    """

    def __init__(self, complain: Complain, environ: Mapping[str, str], data_dir: Path, *, form_only: bool) -> None:
        self._complain = complain
        self._environ = environ
        self._data_dir = data_dir
        self._form_only = form_only

    def upstream(self, name: str, written: UpstreamForm, *, asserted: bool) -> Upstream:
        """What `written` says of the upstream `name`; `asserted` where a route needs its assertion."""
        place = ("upstreams", name)
        if not _NAME.fullmatch(name):
            self._complain(place, "a name is made of letters, digits, - and _")
        signer = None
        if written.identity and name != AUTH_UPSTREAM:
            signer = self._signer(place, written, asserted)
        tls = self._tls(place, written)
        addresses = (self._address(url, (*place, "urls", number), tls) for number, url in enumerate(written.urls))
        return Upstream(
            name=name,
            addresses=tuple(address for address in addresses if address is not None),
            audience=written.audience or name,
            signer=signer,
            max_connections=written.max_connections,
            eject_after=written.eject_after,
            break_after=written.break_after,
            health=HealthCheck(**written.health.model_dump()) if written.health else None,
            resolve_interval=written.resolve_interval,
            max_connection_age=written.max_connection_age,
            max_connection_requests=written.max_connection_requests,
            host=written.host or _default_host(written),
        )

    def _tls(self, place: Place, written: UpstreamForm) -> SSLContext | None:
        names = (written.ca_file, written.client_cert_file, written.client_key_file)
        if not any(url.startswith("https://") for url in written.urls):
            if any(names):
                self._complain(place, "ca_file, client_cert_file and client_key_file are for https://host:port")
            return None
        if bool(written.client_cert_file) != bool(written.client_key_file):
            self._complain(place, "client_cert_file and client_key_file go together")
        files = (self._data_dir / name if name and not self._form_only else None for name in names)
        try:
            return client_context(*files)
        except TlsFileRefused as error:
            self._complain(place, str(error))
        return client_context(None, None, None)  # for the sake of what else may be wrong

    def _address(self, url: str, place: Place, tls: SSLContext | None) -> Address | None:
        if self._form_only and VARIABLE.search(url):
            return Address(authority=url)
        try:
            return read_address(url, tls)
        except ValueError as error:
            self._complain(place, str(error))
        return None

    def _signer(self, place: Place, written: UpstreamForm, asserted: bool) -> AssertionSigner | None:
        by_file, by_variable = written.identity_secret_file, written.identity_secret_env
        if by_file and by_variable:
            self._complain(place, "identity_secret_file and identity_secret_env are both set: keep one")
        elif self._form_only and (by_variable or by_file):
            return assertion_signer(secrets.token_hex(32))  # nobody's: it says that there is to be one
        elif by_variable:
            return self._strong((*place, "identity_secret_env"), by_variable, self._environ.get(by_variable, ""))
        elif by_file:
            return self._signer_in((*place, "identity_secret_file"), by_file)
        elif asserted:
            self._complain(
                place,
                "a route needs its assertion, so give identity_secret_file or identity_secret_env,"
                " or identity = false for a service that is not ours",
            )
        return None

    def _signer_in(self, place: Place, file: str) -> AssertionSigner | None:
        path = self._data_dir / file
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self._complain(place, f"the identity secret's file {path} cannot be read: {reason}")
            return None
        return self._strong(place, file, secret)

    def _strong(self, place: Place, source: str, secret: str) -> AssertionSigner | None:
        try:
            return assertion_signer(secret)
        except WeakKey as error:
            self._complain(place, f"the identity secret in {source} {error}")
        return None
