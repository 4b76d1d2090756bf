#!/bin/sh
# Creates the cluster in an empty volume, then starts the server.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --encoding UTF8 --username postgres --pwfile "$POSTGRES_PASSWORD_FILE" --auth-host scram-sha-256 --auth-local trust
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec "$@" -c 'listen_addresses=*' -c unix_socket_directories=/run/postgresql
