"""The endpoints under /auth/admin/, for staff: users, roles, invitations, sessions and audit trails."""
