"""The gunicorn configuration of the resource service: `gunicorn -c python:resource_service.gunicorn_conf`."""

import os
from typing import Any

from chassis.metrics.internal_listener import addresses, serve_metrics
from chassis.metrics.multiprocess import prepare_metrics, remove_worker
from chassis.sql.engine import close_database_of
from chassis.sql.startup_check import check_database, exit_if_unusable
from chassis.startup import gunicorn_defaults, settings_or_exit, warn_about_misspelled
from chassis.tracing.worker import start_tracing, stop_tracing
from resource_service.migration_settings import MIGRATIONS
from resource_service.settings import ResourceSettings, ServingSettings

# Read in the master process as well: gunicorn would restart a worker with invalid settings again and again.
_settings = settings_or_exit(ResourceSettings, os.environ, ServingSettings)
_serving = settings_or_exit(ServingSettings, os.environ)

globals().update(gunicorn_defaults("resource_service", _serving))
warn_about_misspelled(os.environ, ResourceSettings, ServingSettings)
prepare_metrics()
wsgi_app = "resource_service.app:create_app()"
proc_name = "sallyport-resource"
bind = addresses(_serving.resource_bind, _serving.resource_internal_bind)
workers = _serving.resource_workers
worker_class = "chassis.gunicorn_worker.LingeringThreadWorker"
threads = _settings.threads


def on_starting(server: object) -> None:
    """Check the database before the master process listens."""
    with exit_if_unusable():
        check_database(_settings.database_url.get_secret_value(), MIGRATIONS)


def post_worker_init(worker: Any) -> None:
    """Let the event streams of the worker end when gunicorn stops it, and serve its metrics."""
    worker.wsgi.extensions["note_streams"].is_serving = lambda: worker.alive
    with worker.wsgi.app_context():
        engine = worker.wsgi.extensions["sqlalchemy"].engine
        start_tracing(worker.wsgi, "sallyport-resource", _settings, engine)
    serve_metrics(worker)


def child_exit(server: object, worker: Any) -> None:
    """Remove the gauges of a worker that has exited."""
    remove_worker(worker.pid)


def worker_exit(server: object, worker: Any) -> None:
    """Close the database connections of the worker."""
    stop_tracing(getattr(worker, "wsgi", None))
    close_database_of(worker)
