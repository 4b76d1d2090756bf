#!/bin/sh
# Installs pinned requirements into a virtual environment: requirements/install.sh VENV FILE...
# Creates the environment if it is missing. Uses uv if uv is on PATH and can download the packages, otherwise pip.
set -eu

venv=$1
shift
python="$venv/bin/python"

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "python3 >= 3.11 is needed, and none was found; PYTHON=/path/to/python3 names one" >&2
    return 1
}

count() { cat "$@" | grep -c '^[A-Za-z0-9].*=='; }

by_uv() {
    # uv does not read pip's settings: these two are commonly set behind a company's proxy.
    : "${SSL_CERT_FILE:=${PIP_CERT:-}}" "${UV_DEFAULT_INDEX:=${PIP_INDEX_URL:-}}"
    [ -z "$SSL_CERT_FILE" ] || export SSL_CERT_FILE
    [ -z "$UV_DEFAULT_INDEX" ] || export UV_DEFAULT_INDEX
    echo "installing $(count "$@") packages into $venv with uv"
    uv venv --quiet --allow-existing --python '>=3.11' "$venv" &&
        uv pip install --python "$python" --require-hashes $(printf -- ' -r %s' "$@")
}

by_pip() {
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        base=$(find_python)
        if ! "$base" -c 'import venv, ensurepip' 2>/dev/null; then
            echo "$base has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2
            return 1
        fi
        echo "making $venv with $base"
        "$base" -m venv --clear "$venv"
    fi
    echo "installing $(count "$@") packages into $venv with pip"
    # pip prints a line or more per package; one line that counts them is enough.
    { PYTHONUNBUFFERED=1 "$python" -m pip install --disable-pip-version-check --no-color --require-hashes \
        $(printf -- ' -r %s' "$@") && echo 'exit 0' || echo "exit $?"; } | awk -v all="$(count "$@")" '
        /^(Collecting|Requirement already satisfied:) / { if (++seen % 10 == 0) { print "  " seen " of " all; fflush() } }
        /^Installing collected packages/ { print "  unpacking"; fflush() }
        /^exit / { status = $2 }
        END { exit status }'
}

if command -v uv >/dev/null && by_uv "$@"; then
    exit 0
elif command -v uv >/dev/null; then
    echo "uv could not install them: trying pip" >&2
fi
by_pip "$@"
