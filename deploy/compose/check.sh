#!/bin/sh
# Exits with status 2 and one line if Docker Compose or its engine is missing.
if ! docker compose version >/dev/null 2>&1; then
    echo 'Docker Compose is needed, and `docker compose version` fails: install Docker Engine with the Compose plugin (https://docs.docker.com/engine/install/)' >&2
    exit 2
fi
if ! docker info >/dev/null 2>&1; then
    echo 'the Docker engine does not answer: start it, and check that this user may use it (`docker info` shows the error)' >&2
    exit 2
fi
