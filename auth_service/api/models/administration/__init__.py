"""Request and response bodies of /auth/admin/."""
