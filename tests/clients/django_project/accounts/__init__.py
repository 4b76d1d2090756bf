"""The user of the project."""
