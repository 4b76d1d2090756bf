"""Owns what a request says by itself, before anybody asks whose it is."""

from dataclasses import dataclass

from gateway.headers import RequestFields
from gateway.routing.routes import Route
from gateway.upstreams.upstream_request import HeadTemplate


@dataclass(slots=True)
class Examined:
    """A request's route and fields; `template` once its upstream head was begun."""

    route: Route
    fields: RequestFields
    template: HeadTemplate | None = None
