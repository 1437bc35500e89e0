#!/bin/sh
# Makes deploy/secrets for compose.yaml: random passwords, and senmon.env with them. What is there stays.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets && cd secrets
[ ! -e senmon.env ] || { echo "secrets/senmon.env is there already: nothing was made" >&2; exit 1; }
random() { od -An -N"${1:-32}" -tx1 /dev/urandom | tr -d ' \n'; }

database=$(random) redis=$(random) metrics=$(random)
# Containers read these files as users of their own; the folder is closed to everybody else.
put() { printf '%s' "$2" >"$1"; chmod 644 "$1"; }
put postgres_password "$database"
put metrics_key "$metrics"
put grafana_password "$(random)"
put redis.conf "requirepass $redis
maxmemory 384mb
maxmemory-policy noeviction
save \"\"
"
cat >senmon.env.new <<END
SENMON_DATABASE_URL=postgresql://senmon:$database@postgres/senmon
SENMON_REDIS_URL=redis://:$redis@redis:6379/0
SENMON_API_KEYS=sk-$(random)
SENMON_JWT_SECRET=$(random)
SENMON_METRICS_KEY=$metrics
END
mv senmon.env.new senmon.env
echo "made: $(pwd)"
