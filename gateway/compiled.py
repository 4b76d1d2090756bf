"""Whether this process runs the compiled gateway, in which mypyc has translated the path of a request to C."""

from importlib.util import find_spec


def is_compiled() -> bool:
    """Return whether the modules that every request passes through are extension modules."""
    spec = find_spec("gateway.server.http_protocol")
    return spec is not None and spec.origin is not None and not spec.origin.endswith(".py")
