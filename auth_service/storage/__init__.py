"""SQL and Redis: models, statements, migrations, connections."""
