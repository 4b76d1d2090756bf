#!/bin/sh
# Replaces the running containers of the services by new ones of the present code and settings, while the system
# serves requests: deploy/compose/update.sh [SERVICE...]; default: auth resource gateway, in this order (docs/upgrade.md).
# New containers start beside the old ones. The old ones stop when the new ones are healthy and in use.
set -eu
cd "$(dirname "$0")/../.."

# Seconds until gateways and balancer use the new addresses: above `resolve_interval` of the routes file (10).
SETTLE=${SETTLE:-15}
# Seconds for new containers to become healthy.
TIMEOUT=${TIMEOUT:-120}

replace() {
    service=$1
    old=$(docker compose ps --quiet "$service")
    if [ -z "$old" ]; then
        echo "update: no container of $service runs; start the system with \`make up\`" >&2
        exit 2
    fi
    count=$(echo "$old" | wc -l)
    if ! docker compose up --detach --no-deps --no-recreate --wait --wait-timeout "$TIMEOUT" \
        --scale "$service=$((2 * count))" "$service"; then
        new=$(docker compose ps --all --quiet "$service" | grep -vxF "$old" || true)
        [ -z "$new" ] || docker logs --tail 20 "$(echo "$new" | head -n 1)" >&2
        [ -z "$new" ] || docker rm --force $new >/dev/null
        echo "update: the new containers of $service are not healthy (log above). They are removed; the old ones go on" >&2
        exit 1
    fi
    sleep "$SETTLE"
    docker stop -t 60 $old >/dev/null
    docker rm $old >/dev/null
    echo "update: $service has $count new container(s)"
}

services=${*:-auth resource gateway}
docker compose build $services
for service in $services; do
    case $service in auth | resource) docker compose run --rm --no-deps "$service-migration" ;; esac
done
for service in $services; do
    replace "$service"
done
