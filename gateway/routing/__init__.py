"""How routes.toml becomes the routes in force."""
