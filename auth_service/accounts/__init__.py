"""User accounts: registration, passwords, e-mail addresses."""
