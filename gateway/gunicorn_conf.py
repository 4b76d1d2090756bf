"""The gateway's gunicorn settings: `gunicorn -c python:gateway.gunicorn_conf`."""

import os
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog
from gunicorn.workers.base import Worker

from chassis.metrics.multiprocess import prepare_metrics, remove_worker
from chassis.settings import SettingsError, load
from chassis.startup import gunicorn_defaults, refuse_to_start, warn_about_misspelled
from gateway.compiled import is_compiled
from gateway.development.fault_switch import FaultSwitch
from gateway.routing.active_routes import ActiveRoutes
from gateway.routing.loader import load_routes
from gateway.settings import GatewaySettings, ServingSettings
from gateway.startup_check import startup_problems
from gateway.worker.open_files import allow_open_files
from gateway.worker.reload_counter import ReloadCounter

if TYPE_CHECKING:
    from gateway.worker_application import Gateway

_log = structlog.get_logger("gateway")
if _startup_problems := startup_problems(os.environ):
    refuse_to_start(SettingsError("\n".join(_startup_problems)))
_settings = load(GatewaySettings, os.environ)
_serving = load(ServingSettings, os.environ)
globals().update(gunicorn_defaults("gateway", _serving))
warn_about_misspelled(os.environ, GatewaySettings, ServingSettings)
# Read in the master, at the start and on each reload; workers get the routes by fork.
_routes = ActiveRoutes(
    lambda: load_routes(
        _settings.gateway_routes,
        environ=os.environ,
        data_dir=_settings.data_dir,
        login_url=_settings.login_url,
    )
)
_log.info("gateway_starts", compiled=is_compiled())
if not _settings.origins:
    _log.info(
        "no_origin_is_allowed",
        effect="pages of other origins cannot use the gateway",
        to_allow_them="set ALLOWED_ORIGINS=https://app.example.com",
    )
_fault_switch = FaultSwitch(time.time) if _settings.development else None
if _settings.development:
    _log.warning(
        "development_is_on",
        effect="every client can make requests fail",
        to_turn_it_off="set DEVELOPMENT=off",
    )
allow_open_files(_settings.gateway_streams)
prepare_metrics()
_reloads = ReloadCounter()
# Imported once in the master, not again in each worker after its fork. Only after prepare_metrics, because Prometheus
# reads the name of the metrics folder on import.
import_module("gateway.app")


def create_app() -> "Gateway":
    """Return the gateway of a worker."""
    from gateway.app import create_app

    return create_app(routes=_routes, fault_switch=_fault_switch)


wsgi_app = "gateway.gunicorn_conf:create_app()"
worker_class = "gateway.worker.gunicorn_worker.GatewayWorker"
bind = _serving.bind
workers = _serving.gateway_workers
keepalive = _serving.gateway_keepalive


def on_reload(server: object) -> None:
    """Reload the routes in the master, before it forks the new workers (gunicorn hook)."""
    _reloads.increment()
    _routes.reload()


def post_fork(server: object, worker: Any) -> None:
    """Give a new worker the function that returns whether a later reload replaced it (gunicorn hook)."""
    worker.is_replaced = _reloads.watch()


def child_exit(server: object, worker: Worker) -> None:
    """Remove the gauges of a worker that has exited (gunicorn hook)."""
    remove_worker(worker.pid)
