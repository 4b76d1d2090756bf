"""Verify the identity assertion of a Sallyport gateway in a Python service.

Use the module of your framework: sallyport_service.flask, .fastapi, .starlette, .django, .rest_framework, .wsgi or
.asgi. This module has what they share.
"""

from sallyport_service.identity import Identity
from sallyport_service.refusal import REFUSED_HEADER, IdentityRefused
from sallyport_service.settings import ConfigurationError
from sallyport_service.verifier import IDENTITY_HEADER, UNSIGNED_HEADERS, IdentityVerifier

__all__ = [
    "IDENTITY_HEADER",
    "REFUSED_HEADER",
    "UNSIGNED_HEADERS",
    "ConfigurationError",
    "Identity",
    "IdentityRefused",
    "IdentityVerifier",
]
