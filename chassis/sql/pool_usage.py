"""How many connections of an engine's pool are in use."""

from sqlalchemy import Engine, QueuePool


def connections_in_use(engine: Engine) -> int:
    """Return the number of connections that threads have now; 0 for a pool without a limit."""
    return engine.pool.checkedout() if isinstance(engine.pool, QueuePool) else 0


def max_connections(engine: Engine) -> int:
    """Return the number of connections that the pool may open; 0 for a pool without a limit."""
    return engine.pool.size() if isinstance(engine.pool, QueuePool) else 0
