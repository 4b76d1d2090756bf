"""The store of the uses of signing keys in SQL."""

from sqlalchemy import Connection, Engine

from auth_service.storage.prepared_statement import PreparedStatement
from auth_service.storage.transactions import Transactions

_RECORD = PreparedStatement(
    """
    INSERT INTO signing_keys (kid, tokens_expire_at) VALUES (:kid, :tokens_expire_at)
    ON CONFLICT (kid) DO UPDATE SET tokens_expire_at = excluded.tokens_expire_at
    WHERE signing_keys.tokens_expire_at < excluded.tokens_expire_at
    """
)
_FIND = PreparedStatement("SELECT tokens_expire_at FROM signing_keys WHERE kid = :kid")


class SqlKeyUseStore:
    """Uses of signing keys in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, transactions: Transactions) -> None:
        self._engine = engine
        self._transactions = transactions

    def record(self, kid: str, tokens_expire_at: float) -> None:
        """Record that the tokens of a key expire by `tokens_expire_at`. An earlier time changes nothing."""
        values = {"kid": kid, "tokens_expire_at": tokens_expire_at}

        def write(connection: Connection) -> None:
            _RECORD.change(connection, values)

        self._transactions.run(write)

    def tokens_expire_at(self, kid: str) -> float | None:
        """Return by when every token of a key has expired; None if no process has used the key."""
        row = _FIND.read(self._engine, {"kid": kid})
        return float(row[0]) if row else None
