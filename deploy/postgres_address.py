"""`postgres_address.py`: what SENMON_DATABASE_URL says, as the variables that PostgreSQL's programs read.

Prints `export PGHOST=… PGPASSWORD=…` for a shell's eval: an address among a program's arguments would show
its password to everybody on the machine.
"""

import os
import shlex
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

#: Parameters of an address that have a variable; `ssl` is asyncpg's word for sslmode.
KNOWN = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "ssl": "PGSSLMODE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "passfile": "PGPASSFILE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def variables(url: str) -> dict[str, str]:
    """ValueError says what can't be read, without the address."""
    parts = urlsplit(url)
    found = {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port) if parts.port else None,
        "PGUSER": parts.username,
        "PGPASSWORD": parts.password,
        "PGDATABASE": parts.path.removeprefix("/"),
    }
    given = {name: unquote(value) for name, value in found.items() if value}
    for name, value in parse_qsl(parts.query):
        if name not in KNOWN:
            raise ValueError(f"the parameter {name} of SENMON_DATABASE_URL has no variable")
        given[KNOWN[name]] = value
    return given


if __name__ == "__main__":
    try:
        told = variables(os.environ["SENMON_DATABASE_URL"])
    except ValueError as error:
        sys.exit(f"SENMON_DATABASE_URL can't be read: {error}")
    print("export", *(f"{name}={shlex.quote(value)}" for name, value in told.items()))
