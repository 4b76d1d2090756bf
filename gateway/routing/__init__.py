"""Load routes.toml: its schema, its checks, and the resulting routes and upstreams."""
