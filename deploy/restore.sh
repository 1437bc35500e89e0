#!/bin/sh
# Puts a backup of backup.sh into an empty place. What is there is never overwritten.
#   restore.sh FILE.tar         SENMON_HOME (new or empty) and SENMON_DATABASE_URL (an empty database)
set -eu
umask 077
die() { echo "restore: $1" >&2; exit 1; }
[ $# -eq 1 ] || die "which backup? restore.sh FILE.tar"
home=${SENMON_HOME:-.senmon} url=${SENMON_DATABASE_URL:-} python=${PYTHON:-python3}
[ -f "$1" ] || die "$1 is not there"
[ -f "$1.sha256" ] || die "$1.sha256 is not there: it came with the backup"
folder=$(cd "$(dirname "$1")" && pwd) name=$(basename "$1")
(cd "$folder" && sha256sum --check --status "$name.sha256") || die "$name is not what was backed up: its sha256 differs"
[ ! -e "$home" ] || [ -z "$(ls -A "$home")" ] || die "$home is not empty: name a new SENMON_HOME"

parent=$(dirname "$home")
mkdir -p "$parent"
work=$(mktemp -d "$parent/.restore-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
tar -C "$work" --no-same-owner -xf "$folder/$name"
(cd "$work" && sha256sum --check --status SHA256SUMS) || die "a file in $name differs from its sha256"

if [ -f "$work/database.dump" ]; then
  case $url in postgres*) ;; *) die "this is a backup of PostgreSQL: set SENMON_DATABASE_URL to an empty database" ;; esac
  # The password goes by the environment: arguments are everybody's to see.
  variables=$("$python" "$(dirname "$0")/postgres_address.py") || die "nothing was restored"
  eval "$variables"
  tables=$(psql -XAtc "select count(*) from information_schema.tables where table_schema = 'public'")
  [ "$tables" = 0 ] || die "the database has $tables tables already: name an empty one"
  pg_restore --dbname="$PGDATABASE" --single-transaction --exit-on-error --no-owner --no-privileges "$work/database.dump"
else
  [ -z "$url" ] || die "this is a backup of SQLite: unset SENMON_DATABASE_URL"
  mv "$work/database.sqlite" "$work/home/senmon.db"
fi
[ ! -d "$home" ] || rmdir "$home"
mv "$work/home" "$home"
echo "restored: $home"
