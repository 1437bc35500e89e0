#!/bin/sh
# The whole suite: style, types, tests. `make test` calls it with BIN set to the environment's bin folder.
set -eu
cd "$(dirname "$0")/.."

has() {
  case $1 in
    chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
    redis-server) command -v redis-server ;;
    postgresql) command -v initdb || ls /usr/lib/postgresql/*/bin/initdb ;;
  esac
} >/dev/null 2>&1

install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  echo "installing $1 for $2"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1"
} >&2

# need PACKAGE TESTS: what these tests run against is the real thing; in continuous integration it must be there.
need() {
  has "$1" || { install "$1" "$2" && has "$1"; } && return
  if [ "${CI:-}" = true ]; then
    echo "$1 is not here and could not be installed: $2 can't run" >&2
    exit 1
  fi
  echo "SKIPPED: $2, as $1 is not here and could not be installed" >&2
}

need chromium "the browser tests"
need postgresql "the tests of the store on PostgreSQL"
need redis-server "the tests of several servers"

"$BIN/python" -m ruff check .
"$BIN/python" -m ruff format --check .
"$BIN/python" -m mypy
exec "$BIN/python" -m pytest -n "${SENMON_TEST_WORKERS:-2}" --dist loadgroup --durations=10 "$@"
