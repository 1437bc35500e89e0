#!/bin/sh
# One file with everything that a senmon must not lose, while it runs: the database, adapters, permissions.
#   backup.sh FOLDER            SENMON_HOME and SENMON_DATABASE_URL as the server has them
# Makes FOLDER/senmon-TIME.tar and FOLDER/senmon-TIME.tar.sha256, whole or not at all. The router and vectors are
# left out: a start makes them again. Packs are yours: keep them where your code is. The file holds conversations: guard it.
set -eu
umask 077
die() { echo "backup: $1" >&2; exit 1; }
[ $# -eq 1 ] || die "which folder? backup.sh FOLDER"
home=${SENMON_HOME:-.senmon} url=${SENMON_DATABASE_URL:-} python=${PYTHON:-python3}
[ -d "$home" ] || die "$home is no folder: set SENMON_HOME to the server's"
mkdir -p "$1"
target=$(cd "$1" && pwd)
work=$(mktemp -d "$target/.partial-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/backup"

case $url in
  postgres*)
    command -v pg_dump >/dev/null || die "pg_dump is not here: install PostgreSQL's client"
    # The password goes by the environment: arguments are everybody's to see.
    variables=$("$python" "$(dirname "$0")/postgres_address.py") || die "no backup was made"
    # One moment of the database, whoever writes meanwhile.
    (eval "$variables" && exec pg_dump --format=custom --no-owner --no-privileges \
      --file="$work/backup/database.dump")
    ;;
  *)
    file=$home/senmon.db
    case $url in sqlite*://*) file=${url#*://}; file=${file#/} ;; esac
    [ -f "$file" ] || die "$file is not there"
    "$python" - "$file" "$work/backup/database.sqlite" <<'END'
import sqlite3, sys

# SQLite's own backup: one moment of the database, the journal included.
source = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=60)
copy = sqlite3.connect(sys.argv[2])
source.backup(copy)
copy.execute("pragma journal_mode = delete")
(found,) = copy.execute("pragma integrity_check").fetchone()
sys.exit(None if found == "ok" else f"backup: the database is damaged: {found}")
END
    ;;
esac

# What says which version is promoted goes first, then versions: they are there before they are promoted.
mkdir "$work/backup/home"
copy() { # copy NAME TEST…: files of the home that pass the test
  out=$work/$1.tar
  shift
  (cd "$home" && find . \( -path './senmon.db*' -o -path ./router -o -path ./vectors \) -prune \
    -o \( -name '*.lock' -o -name '*.sock' -o -name '*.tmp' \) -o -type f \( "$@" \) -print0) >"$work/list"
  status=0 # 1: a file grew meanwhile, such as a log. A file that is gone meanwhile is not missed.
  tar -C "$home" --null --ignore-failed-read --warning=no-failed-read -T "$work/list" -cf "$out" || status=$?
  [ "$status" -le 1 ] || die "files of $home can't be read"
  tar -C "$work/backup/home" --skip-old-files -xf "$out"
  rm "$out"
}
copy pointers -name promoted.json -o -name canary.json
copy files -true

(cd "$work/backup" && find . -type f ! -name SHA256SUMS -exec sha256sum {} + | sort -k 2 >SHA256SUMS)
name=senmon-$(date -u +%Y%m%dT%H%M%SZ).tar
[ ! -e "$target/$name" ] || die "$target/$name is there already"
tar -C "$work/backup" -cf "$work/$name" .
(cd "$work" && sha256sum "$name" >"$name.sha256")
sync "$work/$name" "$work/$name.sha256"
mv "$work/$name.sha256" "$target/"
mv "$work/$name" "$target/"
echo "$target/$name"
