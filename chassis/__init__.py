"""What every process needs: settings, logs, health endpoints, error responses, SQL, gunicorn defaults."""
