"""Find every problem of what the gateway reads at start-up: settings, AUTH_URL and the routes file."""

from collections.abc import Callable, Mapping

from chassis.settings import SettingsError, load
from chassis.startup import settings_problems
from gateway.auth_service_address import auth_address
from gateway.compiled import is_compiled
from gateway.routing.errors import RoutesError
from gateway.routing.loader import load_routes
from gateway.settings import GatewaySettings, RoutesSettings, ServingSettings


def startup_problems(environ: Mapping[str, str], *, syntax_only: bool = False) -> list[str]:
    """Return every problem, one line each.

    With `syntax_only`, secrets and ${VARIABLES} of the routes file may be missing.
    """
    problems = settings_problems(environ, GatewaySettings, ServingSettings)
    if not problems:
        if load(ServingSettings, environ).gateway_compiled and not is_compiled():
            problems.append(
                "GATEWAY_COMPILED is on, but this gateway is not compiled: run `make compile`, or set it to off"
            )
        problems += _problems(lambda: auth_address(load(GatewaySettings, environ)))
    # The routes file needs these settings only, so it is checked even if others are wrong.
    variables = {name: environ.get(name, "") for name in ("APP_ENV", "DATA_DIR", "GATEWAY_ROUTES", "LOGIN_URL")}
    if not settings_problems(variables, RoutesSettings):
        routes = load(RoutesSettings, variables)
        problems += _problems(
            lambda: load_routes(
                routes.gateway_routes,
                environ=environ,
                data_dir=routes.data_dir,
                login_url=routes.login_url,
                syntax_only=syntax_only,
            )
        )
    return problems


def _problems(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except (RoutesError, SettingsError) as error:
        return str(error).splitlines()
    return []
