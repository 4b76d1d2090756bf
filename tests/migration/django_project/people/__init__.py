"""The project's own app, with its own user model."""
