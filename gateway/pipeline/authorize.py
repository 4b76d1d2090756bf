"""Decides whether a subject may pass a route: claims x route."""

from contract.claims import AccessClaims
from contract.problems import Refused
from gateway.routing.routes import Route


def authorize(claims: AccessClaims, route: Route) -> None:
    """Returns when one of the route's roles was granted, or it names none. Raises Refused(403). RFC 6750 3.1."""
    if route.roles and route.roles.isdisjoint(claims.roles):
        raise Refused("insufficient_scope", "None of the roles that this route asks for was granted.")
