"""The gateway's gunicorn worker process: how it starts, runs jobs beside requests, and shuts down."""
