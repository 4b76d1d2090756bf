"""The authorize stage: compare the roles of a principal with those of the route."""

from contract.claims import AccessClaims
from contract.problems import Refused
from gateway.routing.routes import Route


def authorize(claims: AccessClaims, route: Route) -> None:
    """Check that the claims have a role of the route, if the route names roles. Raises Refused(403). RFC 6750 3.1."""
    if route.roles and route.roles.isdisjoint(claims.roles):
        raise Refused("insufficient_scope", "None of the roles that this route asks for was granted.")
