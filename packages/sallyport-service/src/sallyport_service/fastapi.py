"""Identify callers in FastAPI, by dependencies that also work in WebSocket endpoints.

app = FastAPI()
install_identity(app)

@app.get("/reports/")
def list_reports(caller: CurrentIdentity):
    return {"owner": caller.subject}

@app.delete("/reports/", dependencies=[Depends(roles_required("staff"))])
def delete_reports(): ...
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from sallyport_service.identity import Identity
from sallyport_service.starlette import current_identity, install_identity

__all__ = ["CurrentIdentity", "current_identity", "identity_required", "install_identity", "roles_required"]


async def identity_required(connection: HTTPConnection) -> Identity:
    """Dependency that returns the caller, and answers 401 unless the request has a valid assertion."""
    return current_identity(connection)


CurrentIdentity = Annotated[Identity, Depends(identity_required)]
"""The type of a parameter that receives the caller."""


def roles_required(*roles: str) -> Callable[[HTTPConnection], Awaitable[Identity]]:
    """Return a dependency that returns the caller, and answers 403 unless the caller has all of `roles`."""

    async def with_roles(connection: HTTPConnection) -> Identity:
        return current_identity(connection, *roles)

    return with_roles
