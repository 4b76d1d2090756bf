"""Password hashes of other systems, which an import keeps until their users log in: formats and verification."""
