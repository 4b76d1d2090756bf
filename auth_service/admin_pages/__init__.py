"""The staff pages at /auth/staff/: users, sessions, the audit trail, keys and figures, without script."""
