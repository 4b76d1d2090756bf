"""Owns what a request says by itself, before anybody asks whose it is."""

from dataclasses import dataclass

from gateway.http.request_headers import RequestFields
from gateway.pipeline.request_head import HeadTemplate
from gateway.routing.routes import Route


@dataclass(slots=True)
class MatchedRequest:
    """A request's route and fields; `template` once its upstream head was begun."""

    route: Route
    fields: RequestFields
    template: HeadTemplate | None = None
