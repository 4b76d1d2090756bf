"""Metrics: counters that gunicorn's workers share, requests of a Flask service, and the internal listener."""
