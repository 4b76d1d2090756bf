"""SQL databases of a service: engine options, checks at start-up, SQLite concurrency, migrations."""
