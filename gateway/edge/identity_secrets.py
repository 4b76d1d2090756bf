"""The identity secrets for HAProxy: environment variables that a file of its configuration sets.

The variables keep the secrets out of the main configuration, which may then be read and stored like any other file.
"""

from base64 import b64encode
from collections.abc import Sequence

from gateway.routing.routes import Upstream


def variable_name(upstream: Upstream) -> str:
    """Return the name of the variable with the secret of `upstream`, in base64."""
    return f"SALLYPORT_SECRET_{upstream.name.replace('-', '__')}"


def secret_lines(upstreams: Sequence[Upstream]) -> list[str]:
    """Return the configuration that sets the variables of all `upstreams` with a shared secret."""
    secrets = {variable_name(one): one.signer.current().shared_secret for one in upstreams if one.signer is not None}
    return [
        "# Secrets. Only HAProxy and `gateway edge sync` may read this file.",
        "global",
        *(f'    setenv {name} "{b64encode(secret).decode()}"' for name, secret in secrets.items() if secret),
    ]
