"""A peer: a typical hand-written gateway in Flask with requests and flask-jwt-extended."""

import os

import redis
import requests
from flask import Flask, Response, request
from flask_jwt_extended import JWTManager, get_jwt, jwt_required

app = Flask(__name__)
app.config["JWT_ALGORITHM"] = "RS256"
app.config["JWT_PUBLIC_KEY"] = os.environ["PEER_PUBLIC_KEY"]
app.config["JWT_DECODE_AUDIENCE"] = "sallyport-api"
app.config["JWT_TOKEN_LOCATION"] = ["headers"]
jwt = JWTManager(app)
store = redis.Redis.from_url(os.environ["REDIS_URL"])
upstream = os.environ["PEER_UPSTREAM"]


@jwt.token_in_blocklist_loader
def is_revoked(header: dict[str, object], claims: dict[str, object]) -> bool:
    """Return whether the token's id is on the blocklist: one Redis round trip per request."""
    return store.get(f"blocklist:{claims['jti']}") is not None


@app.route("/api/<path:path>", methods=["GET", "POST"])
@jwt_required()
def forward(path: str) -> Response:
    """Forward the request with the caller's identity in a header."""
    response = requests.request(
        request.method,
        f"{upstream}/api/{path}",
        headers={"X-User-Id": str(get_jwt()["sub"]), "Accept": request.headers.get("Accept", "*/*")},
        data=request.get_data(),
        timeout=10,
    )
    return Response(response.content, response.status_code, content_type=response.headers.get("Content-Type"))
