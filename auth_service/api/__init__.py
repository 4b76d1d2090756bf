"""The HTTP API under /auth/ and /internal/: endpoints, request and response models, errors."""
