"""Settings of a running senmon, from `SENMON_*` environment variables and an optional `senmon.env` file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from senmon.errors import ConfigError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def variable(name: str) -> str | None:
    """A variable of the environment, for headers that a pack declares: never one of senmon's own."""
    return None if name.upper().startswith("SENMON_") else os.environ.get(name)


def _split(value: object) -> object:
    """Environment variables hold lists as `a,b`."""
    if not isinstance(value, str):
        return value
    return tuple(part for part in map(str.strip, value.split(",")) if part)


class Settings(BaseSettings):
    """Every setting, its environment variable (`SENMON_` + name in capitals) and its default."""

    model_config = SettingsConfigDict(
        env_prefix="SENMON_",
        env_file="senmon.env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
    )

    home: Path = Field(Path(".senmon"), description="State: adapters, runs, database, router.")
    packs: Annotated[tuple[Path, ...], NoDecode] = Field(
        (Path("domains"),), description="Folders that hold packs."
    )
    host: str = Field(
        "127.0.0.1", description="Address to listen on. Anything but loopback demands API keys."
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Bearer keys for the OpenAI and Rasa endpoints."
    )
    jwt_secret: SecretStr | None = Field(
        None, description="Shared secret with which the host signs customers' tokens (HS256)."
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Web origins that may call the API from a browser."
    )
    demo: bool = Field(False, description="Offer the demo customer's sign-in. Works on loopback only.")
    base: str | None = Field(None, description="Serve this base instead of the packs' own choice.")
    base_revision: str | None = Field(None, description="Hub revision of `base`.")
    engine: Literal["local", "openai"] = Field("local", description="What makes tokens.")
    engine_url: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Base URLs of the OpenAI-compatible servers, with engine=openai."
    )
    engine_api_key: SecretStr | None = Field(None, description="Key of those servers.")
    engine_lora: Literal["given", "load", "resolver"] = Field(
        "given",
        description="How adapters come to those servers: you load them, senmon loads them into vLLM, or "
        "vLLM's resolver finds them.",
    )
    engine_lora_path: str = Field(
        "", description="Where those servers see `SENMON_HOME/adapters`; empty: at the same path."
    )
    engine_model: str = Field("", description="Name of the base on those servers; empty: its own name.")
    engine_streams: int = Field(64, ge=1, le=4096, description="Requests open at once on each of them.")
    encoder: str | None = Field(None, description="Folder or hub id of a sentence encoder.")
    database_url: str | None = Field(None, description="SQLAlchemy URL; default: SQLite in `home`.")
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that several servers share, with a PostgreSQL `database_url`; empty: one server.",
    )
    lease_seconds: float = Field(
        15.0, ge=1, le=600, description="With Redis: a server silent for so long loses its runs to another."
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="`auto`, `cpu` or `cuda`.")
    threads: int | None = Field(None, ge=1, description="Torch threads; default: the machine's cores.")
    slots: int = Field(16, ge=1, le=256, description="Replies generated at once.")
    queue: int = Field(64, ge=0, description="Requests that may wait; more are refused with Retry-After.")
    live_runs: int = Field(
        1000, ge=1, le=100_000, description="Replies under way at once; more are refused with Retry-After."
    )
    max_message_chars: int = Field(4000, ge=1, le=100_000, description="Longest chat message.")
    rate_limit_per_minute: int = Field(
        60, ge=0, description="Messages a minute per visitor or key; 0: no limit."
    )
    rate_limit_per_address: int | None = Field(
        None, ge=0, description="The same per client address; default: ten times the visitor's."
    )
    rate_limit_per_site: int | None = Field(
        None, ge=0, description="The same per site; default: a hundred times the visitor's."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks of proxies whose `X-Forwarded-For` is believed."
    )
    retention_days: int = Field(
        0, ge=0, description="Conversations in which nothing happened for so long are deleted; 0: never."
    )
    webhooks_private: bool = Field(
        False, description="Webhooks and Chatwoot may be reached in private networks, and without TLS."
    )
    chatwoot_url: str = Field("", description="Address of Chatwoot, whose agent bot this is.")
    chatwoot_token: SecretStr | None = Field(None, description="Access token of the agent bot in Chatwoot.")
    chatwoot_secret: SecretStr | None = Field(
        None, description="Last part of the address that Chatwoot posts to: `/webhooks/chatwoot/SECRET`."
    )
    metrics_key: SecretStr | None = Field(
        None, description="Bearer token with which `GET /metrics` can be read, and nothing else."
    )
    trace_url: str = Field(
        "", description="OTLP/HTTP collector that traces go to, such as http://127.0.0.1:4318; empty: none."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Of the JSON log.")

    _lists = field_validator(
        "packs", "api_keys", "allowed_origins", "trusted_proxies", "engine_url", mode="before"
    )(_split)

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK

    @property
    def lease(self) -> float | None:
        """Seconds of a run's lease; None where one server answers alone. Raises ConfigError."""
        if self.redis_url is None:
            return None
        if not (self.database_url or "").startswith("postgres"):
            raise ConfigError(
                "SENMON_REDIS_URL is for several servers, which SQLite can't serve",
                remedy="set SENMON_DATABASE_URL=postgresql://…, or unset SENMON_REDIS_URL",
            )
        return self.lease_seconds

    @classmethod
    def load(cls, **overrides: object) -> Settings:
        """Read environment and `senmon.env`; ConfigError names every wrong variable."""
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            faults = "; ".join(
                f"SENMON_{'.'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
                for fault in error.errors(include_input=False)
            )
            raise ConfigError(f"settings: {faults}", remedy="see `senmon doctor --settings`") from error
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"senmon.env: is not UTF-8 text (byte {error.start})",
                remedy="save it with the encoding UTF-8",
            ) from error
