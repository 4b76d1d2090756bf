"""The gunicorn configuration of the auth service: `gunicorn -c python:auth_service.gunicorn_conf`."""

import os
from importlib import import_module
from typing import Any

from auth_service.settings import AuthSettings, ServingSettings
from auth_service.storage.migration_settings import MIGRATIONS
from chassis.metrics.internal_listener import addresses, serve_metrics
from chassis.metrics.multiprocess import prepare_metrics, remove_worker
from chassis.sql.engine import close_database_of
from chassis.sql.startup_check import check_database, exit_if_unusable
from chassis.startup import gunicorn_defaults, settings_or_exit, warn_about_misspelled
from chassis.tracing.worker import start_tracing, stop_tracing

SENDING_STOP_SECONDS = 10.0
"""A worker that ends waits this long for each message that it is sending. One that is cut off is sent again."""

# Also read in the master: gunicorn would restart a worker with invalid settings again and again.
_settings = settings_or_exit(AuthSettings, os.environ, ServingSettings)
_serving = settings_or_exit(ServingSettings, os.environ)

globals().update(gunicorn_defaults("auth_service", _serving))
warn_about_misspelled(os.environ, AuthSettings, ServingSettings)
prepare_metrics()
# Imported once in the master, not again in each worker after its fork.
import_module("auth_service.app")
wsgi_app = "auth_service.app:create_app()"
proc_name = "sallyport-auth"
bind = addresses(_serving.auth_bind, _serving.auth_internal_bind)
workers = _serving.auth_workers
worker_class = "chassis.gunicorn_worker.LingeringThreadWorker"
# Threads run in parallel, because argon2 and SQL release the GIL.
threads = _settings.all_threads


def on_starting(server: object) -> None:
    """Check the database in the master, before it listens."""
    with exit_if_unusable():
        check_database(_settings.database_url.get_secret_value(), MIGRATIONS)


def post_worker_init(worker: Any) -> None:
    """Record the signing key, start the background jobs and serve metrics in a worker, after the fork."""
    from auth_service.services import services

    with worker.wsgi.app_context():
        services().key_use.record()
        services().republishing.start()
        services().retention.start()
        services().sending.start()
        if services().settings.webhooks:
            services().webhooks.jobs.start()
        engine = worker.wsgi.extensions["sqlalchemy"].engine
        start_tracing(worker.wsgi, "sallyport-auth", _settings, engine, services().redis)
    serve_metrics(worker)


def child_exit(server: object, worker: Any) -> None:
    """Remove the gauges of a worker that has exited."""
    remove_worker(worker.pid)


def worker_exit(server: object, worker: Any) -> None:
    """Finish the mail and the webhooks that are being sent, and close the connections of a worker that ends."""
    _stop_sending(worker)
    stop_tracing(getattr(worker, "wsgi", None))
    close_database_of(worker)


def _stop_sending(worker: Any) -> None:
    from flask import Flask

    from auth_service.services import services

    app = getattr(worker, "wsgi", None)
    if isinstance(app, Flask):  # a worker that failed to start has no application
        with app.app_context():
            services().mail_sender.stop()
            services().webhooks.sender.stop()
            services().sending.stop(SENDING_STOP_SECONDS)
            services().webhooks.jobs.stop(SENDING_STOP_SECONDS)
