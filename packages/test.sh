#!/bin/sh
# Builds the wheel of a package, installs it into an empty environment and runs its tests there:
# packages/test.sh NAME EXTRAS [DEPENDENCY]. The environment must not see the sources, so the tests run from a copy.
set -eu
name=$1
extras=$2
dependency=${3:-}
cd "$(dirname "$0")/.."
module=$(echo "$name" | tr - _)
venv=.venv-package-$name
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT

requirements/install.sh "$venv" requirements/packages.txt
"$venv/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --wheel-dir "$built" "packages/$name"
wheel=$(echo "$built"/*.whl)

python3 -m venv --without-pip "$built/bare"
"$venv/bin/python" -m pip --python "$built/bare/bin/python" install --quiet --no-deps --no-index "$wheel"
if [ -n "$dependency" ]; then # its lines in the lock file: all but the last one end with a backslash
    awk -v first="$dependency==" 'index($0, first) == 1 { found = 1 } found { print } found && !/\\$/ { exit }' \
        requirements/packages.txt >"$built/dependency.txt"
    "$venv/bin/python" -m pip --python "$built/bare/bin/python" install --quiet --disable-pip-version-check \
        --require-hashes --no-deps -r "$built/dependency.txt"
fi
(cd "$built" && bare/bin/python -W error -c \
    "import $module; print('$name imports $module with nothing else installed than: ${dependency:-Python}')")

"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --no-index "$wheel"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$module[$extras]"
"$venv/bin/python" -m pip check
cp -r "packages/$name/tests" "packages/$name/pyproject.toml" "packages/$name/README.md" "$built"
cd "$built"
"$OLDPWD/$venv/bin/python" -m pytest tests
