"""Transports: an SMTP server, or a folder in which messages are kept."""
