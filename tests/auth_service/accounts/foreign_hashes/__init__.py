"""Password hashes of other systems."""
