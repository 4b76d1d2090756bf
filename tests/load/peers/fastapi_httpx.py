"""A peer: a typical hand-written gateway in FastAPI with httpx and PyJWT."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from redis.asyncio import Redis

public_key = os.environ["PEER_PUBLIC_KEY"]
store = Redis.from_url(os.environ["REDIS_URL"])
client = httpx.AsyncClient(base_url=os.environ["PEER_UPSTREAM"], timeout=10)
bearer = HTTPBearer()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close the clients at the end."""
    yield
    await client.aclose()
    await store.aclose()


app = FastAPI(lifespan=lifespan)


async def current_claims(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, object]:
    """Return the verified claims: one signature and one Redis round trip per request."""
    try:
        claims: dict[str, object] = jwt.decode(
            credentials.credentials, public_key, algorithms=["RS256"], audience="sallyport-api", issuer="sallyport"
        )
    except jwt.PyJWTError:
        raise HTTPException(401) from None
    if await store.get(f"blocklist:{claims['jti']}") is not None:
        raise HTTPException(401)
    return claims


@app.api_route("/api/{path:path}", methods=["GET", "POST"])
async def forward(
    path: str, request: Request, claims: Annotated[dict[str, object], Depends(current_claims)]
) -> Response:
    """Forward the request with the caller's identity in a header."""
    response = await client.request(
        request.method,
        f"/api/{path}",
        headers={"X-User-Id": str(claims["sub"]), "Accept": request.headers.get("Accept", "*/*")},
        content=await request.body(),
    )
    return Response(response.content, response.status_code, media_type=response.headers.get("Content-Type"))
