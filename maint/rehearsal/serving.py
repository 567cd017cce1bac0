"""The twin's process: ports on loopback, TLS, the handover file, and when to end."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import trustme
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server

from maint.rehearsal import wire
from maint.rehearsal.control import Control
from maint.rehearsal.proxy import backend_transport
from maint.rehearsal.world import World

NAMES = (
    "localhost",
    "127.0.0.1",
    "www.invoicecloud.com",
    "my.invoicecloud.com",
    "invoicecloud.com",
    "api.invoicecloud.com",
    "invoicecloud.net",
    "www.invoicecloud.net",
)
SERVERS = tuple(f"IC-Web{n}" for n in range(1, 11))
IDLE_SECONDS = 30 * 60.0
REST_SECONDS = 60.0


class Twin:
    """One ASGI application behind every port: the port says which system is meant."""

    def __init__(self, speed: float, ports: dict[str, int], tls: ssl.SSLContext) -> None:
        self._speed, self._names = speed, {port: name for name, port in ports.items()}
        self._addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        self._transport = backend_transport(tls)
        self.world = self._new()
        self.last = time.monotonic()
        self._control = Router([Mount("/control", routes=Control(lambda: self.world, self.reset).routes())])

    def _new(self) -> World:
        return World(self._speed, self._addresses, self._transport)

    def reset(self) -> World:
        """Put a new world in the place of the old one."""
        self.world.close()
        self.world = self._new()
        return self.world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request on any port."""
        if scope["type"] == "http":
            self.last = time.monotonic()
            self.world.clock.resume()
            await self._app(scope)(scope, receive, send)

    def rest(self) -> None:
        """Let the world's time stand still when nobody has asked for anything for a while and nothing goes on.

        A window that is rehearsed phase by phase, with a coffee in between, would be over otherwise.
        """
        if time.monotonic() - self.last > REST_SECONDS and not self.world.busy():
            self.world.clock.pause()

    def _app(self, scope: Scope) -> ASGIApp:
        name, world = self._names[scope["server"][1]], self.world
        if name == "main":
            return self._control if scope["path"].startswith("/control/") else world.front_app
        return {"www": world.www, "www_http": world.www_http}.get(name) or world.servers[name]


class Listener(Server):
    """uvicorn without its signal handlers: there are two of it in one process."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    def end(self) -> None:
        """Stop, without waiting for connections that their other side leaves open."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self.should_exit = True


def _socket(port: int = 0) -> socket.socket:
    # Named TCP, else asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    return listening


def _listener(app: ASGIApp, tls: ssl.SSLContext | None) -> Listener:
    return Listener(
        Config(
            app,
            http=wire.Protocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            ssl_context_factory=(lambda *_: tls) if tls else None,
        )
    )


async def serve(handover: Path, port: int, speed: float, folder: Path) -> None:
    """Serve until a signal or half an hour without a request; the CA's certificate is put into `folder`.

    The handover file appears when everything answers, and is gone again afterwards.
    """
    ca = trustme.CA()
    server_tls, client_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    ca.issue_cert(*NAMES).configure_cert(server_tls)
    ca.configure_trust(client_tls)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    sockets = {"main": _socket(port), **{name: _socket() for name in ("www", "www_http", *SERVERS)}}
    ports = {name: s.getsockname()[1] for name, s in sockets.items()}
    twin = Twin(speed, ports, client_tls)
    plain = [sockets.pop("www_http")]
    listeners = [(_listener(twin, server_tls), list(sockets.values())), (_listener(twin, None), plain)]
    tasks = [asyncio.create_task(listener.serve(sockets=s)) for listener, s in listeners]
    for listener, _ in listeners:
        await listener.ready.wait()
    said = _handover(ports, folder / "ca.pem")
    write_handover(handover, said)
    _greet(said, handover, speed)
    await until_the_end(twin)
    twin.world.close()
    for listener, _ in listeners:
        listener.end()
    await asyncio.gather(*tasks)
    withdraw(handover)


class Used(Protocol):
    """Something that knows when it was last asked for anything, in seconds on time.monotonic(), and may rest."""

    last: float

    def rest(self) -> None:
        """Called now and then."""


async def until_the_end(twin: Used) -> None:
    """Return on SIGTERM, SIGINT or SIGHUP, or when nobody has asked for anything for half an hour."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    while not told.is_set() and (left := twin.last + IDLE_SECONDS - time.monotonic()) > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), min(left, REST_SECONDS / 10))
        twin.rest()


def _handover(ports: dict[str, int], ca: Path) -> dict[str, Any]:
    url = f"https://localhost:{ports['main']}"
    return {
        "pid": os.getpid(),
        "url": url,
        "ca": str(ca),
        "control": f"{url}/control",
        "servers": {name: f"127.0.0.1:{ports[name]}" for name in SERVERS},
        "www": f"127.0.0.1:{ports['www']}",
        "www_http": f"127.0.0.1:{ports['www_http']}",
    }


def write_handover(path: Path, said: dict[str, Any]) -> None:
    """Write the file at once and whole, readable by its owner alone."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(said, out, indent=2)
        out.write("\n")
    part.replace(path)


def withdraw(path: Path) -> None:
    """Remove the handover file if it still speaks of this process."""
    with contextlib.suppress(OSError, ValueError):
        if json.loads(path.read_text()).get("pid") == os.getpid():
            path.unlink()


def _greet(said: dict[str, Any], handover: Path, speed: float) -> None:
    print(f"The twin answers at {said['url']} (control: {said['control']}), on this machine only.")  # noqa: T201
    print(f"www: https://{said['www']}; its ten servers each have a port of their own.")  # noqa: T201
    print(f"Time runs {speed:g} times as fast as here. Use it: MAINT_TWIN={handover} pytest -m PHASE")  # noqa: T201
    print(f"It ends on Ctrl-C, `kill {said['pid']}`, or after 30 minutes without a request.", flush=True)  # noqa: T201
