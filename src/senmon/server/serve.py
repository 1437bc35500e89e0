"""Listening: the port first, then the application; at the end the streams, then the state."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from senmon.errors import ConfigError, SenmonError
from senmon.server.logging import configure_logging

_GRACE_SECONDS = 10
#: Longer than proxies keep a connection (nginx: 60 s): whoever is asked must not be the one who closes it.
_IDLE_SECONDS = 75
_LISTENING = "0A"


def serve(
    app: FastAPI,
    host: str,
    port: int,
    *,
    log_level: str = "INFO",
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises ConfigError without the port, and what start-up raised.

    `on_ready` gets the URL once requests are answered.
    """
    listener = bind(host, port)
    configure_logging(log_level)
    server = make_server(app, on_ready)
    try:
        asyncio.run(server.serve(sockets=[listener]))
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
    failure = getattr(app.state, "failure", None)
    if isinstance(failure, SenmonError):
        raise failure
    if not server.started and failure is not None:
        raise ConfigError(
            f"the server did not start ({type(failure).__name__})", remedy="see the log"
        ) from failure


def make_server(app: FastAPI, on_ready: Callable[[str], None] | None = None) -> Server:
    """A server for `app` that ends its streams before it waits for them."""
    # A message's products are small; with threads of their own, half of a turn's time was their waiting.
    threadpool_limits(1, user_api="blas")
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        lifespan="on",
        # uvicorn would believe any program on this machine; `SENMON_TRUSTED_PROXIES` says whom to believe.
        proxy_headers=False,
    )
    return Server(config, on_ready)


class Server(uvicorn.Server):
    """uvicorn waits for open connections before it tells the application to stop; streams would never end."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None] | None = None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            # uvicorn's way of saying that start-up failed; `app.state.failure` says why.
            self.should_exit = True
        if self.started and self._on_ready is not None and sockets:
            self._on_ready(_url(sockets[0]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        application = self.config.app
        services = getattr(application.state, "services", None) if isinstance(application, FastAPI) else None
        if services is not None:
            await services.close()
        await super().shutdown(sockets)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bind(host: str, port: int) -> socket.socket:
    """A bound socket. ConfigError says who has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's waiting off only where the protocol is named; each answer would wait for it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise _explain(error, host, port) from error
    listener.setblocking(False)
    return listener


def _explain(error: OSError, host: str, port: int) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} is taken by {_owner(port)}", remedy=f"stop it, or choose another: --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return ConfigError(f"port {port} needs more rights", remedy="choose a port above 1023")
    return ConfigError(f"can't listen on {host}:{port} ({error.strerror})", remedy="check SENMON_HOST")


def _owner(port: int) -> str:
    """`name (pid 123)` where the system tells (Linux, own processes), else `another program`."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8").strip()
                return f"{name} (pid {process.name})"
        except OSError:
            continue
    return "another program"


def _listening(port: int) -> set[str]:
    """Inodes of the sockets that listen on `port` (proc(5), /proc/net/tcp)."""
    found: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(columns[9])
    return found
