#!/bin/sh
# The whole suite: style, types, tests. `make test` calls it with BIN set to the environment's bin folder.
set -eu
cd "$(dirname "$0")/.."

has_browser() {
  command -v chromium || command -v chromium-browser || command -v google-chrome
} >/dev/null 2>&1

install_browser() {
  [ "$(id -u)" = 0 ] && command -v apt-get || return 1
  echo "installing chromium for the browser tests"
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
} >&2

# Browser tests run in the real Chromium: in continuous integration it must be there.
if ! has_browser && ! { install_browser && has_browser; }; then
  if [ "${CI:-}" = true ]; then
    echo "chromium is not here and could not be installed: the browser tests can't run" >&2
    exit 1
  fi
  echo "SKIPPED: the browser tests, as chromium is not here and could not be installed" >&2
fi

has_postgres() {
  command -v initdb || ls /usr/lib/postgresql/*/bin/initdb
} >/dev/null 2>&1

install_postgres() {
  [ "$(id -u)" = 0 ] && command -v apt-get || return 1
  echo "installing postgresql for the tests of the store"
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql
} >&2

# The store's tests run on a real PostgreSQL beside SQLite: in continuous integration it must be there.
if ! has_postgres && ! { install_postgres && has_postgres; }; then
  if [ "${CI:-}" = true ]; then
    echo "postgresql is not here and could not be installed: the tests of the store can't run" >&2
    exit 1
  fi
  echo "SKIPPED: the store on PostgreSQL, as it is not here and could not be installed" >&2
fi

"$BIN/python" -m ruff check .
"$BIN/python" -m ruff format --check .
"$BIN/python" -m mypy
exec "$BIN/python" -m pytest -n "${SENMON_TEST_WORKERS:-2}" --dist loadgroup --durations=10 "$@"
