"""Bring a database to this release's schema. Every change of the schema is a revision in `migrations/`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from senmon.errors import StoreError

#: Names the advisory lock among others of the same database.
_STARTING = 0x73656E6D6F6E
_FOLDER = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Run what is missing, inside the caller's transaction. StoreError when the schema is from the future."""
    if connection.dialect.name == "postgresql":  # several servers may start at once: the others wait here
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _STARTING})
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise StoreError(
            f"the database has schema {current}, which this release of senmon does not know",
            remedy="a newer senmon wrote it: upgrade senmon, or restore the backup made before that upgrade",
        )
    if current != scripts.get_current_head():
        command.upgrade(config, "head")
