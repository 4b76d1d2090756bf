"""Every key and secret is replaced while clients of every kind use the system: `make test-rotation`."""
