#!/bin/sh
# The whole suite: style, types, tests. `make test` calls it with BIN set to the environment's bin folder.
set -eu
cd "$(dirname "$0")/.."

# Browser tests run in the real Chromium: install it where that is possible.
if ! command -v chromium >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing chromium for the browser tests"
  apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends chromium >/dev/null || echo "chromium could not be installed"
fi

"$BIN/ruff" check .
"$BIN/ruff" format --check .
"$BIN/mypy"
exec "$BIN/python" -m pytest -n "${SENMON_TEST_WORKERS:-2}" --dist loadgroup --durations=10 "$@"
