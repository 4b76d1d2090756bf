"""The endpoints under /auth/users/: users, passwords, e-mail addresses and activation."""
