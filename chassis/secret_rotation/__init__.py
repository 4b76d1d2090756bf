"""Replace keys and secrets in files, step by step, so that no request fails."""
