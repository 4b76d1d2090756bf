"""Write the next migration of a service: the difference between its models and the tables of its migrations.

For developers. It needs no settings, because it runs the migrations in a temporary SQLite file.
"""

import tempfile
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import Migrate, migrate, upgrade
from flask_sqlalchemy import SQLAlchemy


def write_migration(db: SQLAlchemy, folder: Path, message: str) -> Path | None:
    """Write `folder`/versions/NNNN_message.py and return its path. Return None if nothing differs."""
    before = set(_versions(folder))
    with tempfile.TemporaryDirectory() as empty:
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{empty}/empty.db"
        db.init_app(app)
        Migrate(app, db, folder, process_revision_directives=_skip_empty)
        with app.app_context():
            upgrade()
            migrate(message=message, rev_id=f"{len(before) + 1:04}")
            db.engine.dispose()
    return next(iter(set(_versions(folder)) - before), None)


def _versions(folder: Path) -> list[Path]:
    return list((folder / "versions").glob("*.py"))


def _skip_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    if directives[0].upgrade_ops.is_empty():
        directives.clear()
