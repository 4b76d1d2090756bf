"""Access and refresh tokens: grants, issuing, reading, signing keys."""
