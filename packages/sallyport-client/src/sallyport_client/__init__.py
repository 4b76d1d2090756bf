"""Client of Sallyport: both tokens in one store, refreshed once for all threads, tasks and processes.

The authentication classes are in `sallyport_client.httpx` and `sallyport_client.requests`.
"""

from sallyport_client.errors import ApiError, BodyNotReplayable, NetworkError, SallyportError, StoreError
from sallyport_client.exchange import Answer, Exchange
from sallyport_client.file_store import FileStore
from sallyport_client.retry_policy import RetryPolicy
from sallyport_client.session import Session
from sallyport_client.tokens import MemoryStore, Tokens, TokenStore

__all__ = [
    "Answer",
    "ApiError",
    "BodyNotReplayable",
    "Exchange",
    "FileStore",
    "MemoryStore",
    "NetworkError",
    "RetryPolicy",
    "SallyportError",
    "Session",
    "StoreError",
    "TokenStore",
    "Tokens",
]
