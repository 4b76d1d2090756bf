"""Build the header fields of the response to a client from those of the upstream's response."""

from gateway.pipeline.pipeline import AdmittedRequest
from gateway.proxy.redirects import rewrite_urls
from gateway.upstream_connections.connection import UpstreamConnection

Fields = list[tuple[bytes, bytes]]


def response_fields(connection: UpstreamConnection, admitted: AdmittedRequest, scheme: str) -> Fields:
    """Return the header fields for a client that used `scheme`. URLs that point to the upstream are rewritten."""
    fields = connection.headers
    if connection.has_url_fields:
        fields = rewrite_urls(fields, admitted.route, admitted.matched.template.host, scheme)
    fields = with_gateway_fields(fields, admitted)
    # A head from the cache has no X-Session-Change: `session_change` is then that of an earlier response.
    if admitted.page_session is not None and connection.cached_head is None and connection.session_change:
        return admitted.page_session.apply(connection.session_change, fields)
    return fields


def with_gateway_fields(fields: Fields, admitted: AdmittedRequest) -> Fields:
    """Return `fields` with the route's overrides, the fields that the pipeline set, and the refreshed tokens.

    Overrides and tokens replace fields of the same name.
    """
    overrides = admitted.route.response_overrides
    if overrides is not None:
        fields = overrides.apply(fields)
    if admitted.response_headers:
        fields = [*fields, *admitted.response_headers]
    if admitted.fresh is not None:
        tokens = dict(admitted.fresh.to_fields())
        fields = [*(field for field in fields if field[0] not in tokens), *tokens.items()]
    return fields
