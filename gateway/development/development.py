"""What DEVELOPMENT=on adds to a worker: faults, and the first page with what it links to."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from flask import Blueprint

from chassis.clock import Clock
from chassis.health import Check
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.development.expired_token import ExpiringCredentialForwarding, expiring_authenticators
from gateway.development.fault_endpoints import FaultEndpoints
from gateway.development.fault_switch import FaultSwitch
from gateway.development.faulty_dispatcher import FaultyDispatcher
from gateway.development.first_page import FirstPage
from gateway.development.health import SystemHealth
from gateway.development.host_check import host_check
from gateway.development.mailbox import Mailbox
from gateway.endpoints.app_files import AppFiles
from gateway.endpoints.session import WaitFor
from gateway.pipeline.authenticators.authenticator import Authenticator
from gateway.proxy.dispatcher import Dispatcher
from gateway.routing.routes import RouteTable
from gateway.settings import GatewaySettings
from gateway.upstreams.registry import UpstreamRegistry


class Development:
    """The parts of a worker that exist in development only, or are replaced by others in development."""

    credential_forwarding = ExpiringCredentialForwarding

    def __init__(self, settings: GatewaySettings, fault_switch: FaultSwitch, clock: Clock) -> None:
        self._settings = settings
        self._fault_switch = fault_switch
        self._clock = clock

    def dispatcher(self, *parts: Any, **options: Any) -> Dispatcher:
        """Return the dispatcher that replaces the usual one. It has the same parameters."""
        dispatcher = FaultyDispatcher(*parts, **options)
        dispatcher.fault_switch = self._fault_switch
        return dispatcher

    def authenticators(self, sessions: BrowserSessions) -> Callable[..., tuple[Authenticator, ...]]:
        """Return the function that replaces the registry of authenticators."""
        return partial(expiring_authenticators, sessions=sessions)

    def blueprints(
        self,
        checks: Mapping[str, Check],
        routes: RouteTable,
        upstreams: UpstreamRegistry,
        app: AppFiles | None,
        ping_redis: Callable[[], Awaitable[object]],
        wait_for: WaitFor,
    ) -> list[Blueprint]:
        """Return the blueprints of the fault switch and of the first page. A route at `/` replaces the page there."""
        page = FirstPage(
            SystemHealth(checks, routes.upstreams(), upstreams, ping_redis),
            Mailbox(self._settings.data_dir / "mail"),
            wait_for,
            internal_address=self._settings.gateway_internal_bind,
            app=app,
            is_at_root=routes.routes_by_method(b"/") is None,
        )
        blueprints = [FaultEndpoints(self._fault_switch, self._clock).blueprint(), page.blueprint()]
        for blueprint in blueprints:
            blueprint.before_request(host_check(self._settings.public_url))
        return blueprints
