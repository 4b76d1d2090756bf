"""How every process starts and what each answers with: settings, logs, health, problems, gunicorn defaults."""
