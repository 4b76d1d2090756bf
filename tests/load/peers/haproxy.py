"""HAProxy, which verifies the token of every request; without a token cache and revocations."""

import shutil

from tests.load.measuring.processes import Process, Processes
from tests.load.peers.setup import PeerSetup

# Settings follow the configuration manual of HAProxy 2.6. Logs are off by default; connections on both sides are kept
# alive by default, and idle ones to the server are not limited in number (pool-max-conn -1).
_CONF = """
global
    nbthread 1                      # one worker, as the other servers have
    maxconn 8000
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    timeout http-keep-alive 75s
    http-reuse always               # any idle connection serves any client: the manual advises it for trusted servers
frontend clients
    bind 127.0.0.1:{port} backlog 4096
    http-request set-var(txn.token) http_auth_bearer
    http-request deny deny_status 401 unless {{ var(txn.token) -m found }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_header_query('$.alg') -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.iss') -m str sallyport }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.aud') -m str sallyport-api }}
    http-request set-var(txn.now) date()
    http-request set-var(txn.left) var(txn.token),jwt_payload_query('$.exp','int'),sub(txn.now)
    http-request deny deny_status 401 unless {{ var(txn.left) -m int gt 0 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify("RS256","{pem}") -m int 1 }}
    http-request set-header X-User-Id %[var(txn.token),jwt_payload_query('$.sub')]
    http-request del-header Authorization
    default_backend notes
backend notes
    server notes 127.0.0.1:{upstream}
"""


def unavailable() -> str:
    """Return why it cannot run here; empty if it can."""
    return "" if shutil.which("haproxy") else "haproxy is not installed"


def start(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start it with one thread."""
    pem = setup.write("public.pem", setup.public_pem)
    conf = setup.write(f"haproxy-{port}.cfg", _CONF.format(port=port, upstream=setup.upstream, pem=pem))
    return processes.start(f"haproxy-{port}", ["haproxy", "-db", "-f", str(conf)])
