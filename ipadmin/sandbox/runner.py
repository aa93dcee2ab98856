"""Starting and stopping: `serve` for a process of its own, `Sandbox` for a thread inside a test."""

from __future__ import annotations

import asyncio
import errno
import signal
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from .engine import Engine, OpenShape, SandboxError
from .options import Options
from .server import Connection
from .tokens import SPECIAL
from .world import KEEP_UNTIL

T = TypeVar("T")
BACKLOG = 1024


@asynccontextmanager
async def listening(engine: Engine, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Its URL, without /core/v1. Raises SandboxError if the port cannot be opened."""
    host, port = engine.options.host, engine.options.port
    connections: set[Connection] = set()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(engine, connections), host, port, ssl=tls, backlog=BACKLOG
        )
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is already taken" if taken else f"cannot be opened: {error}"
        raise SandboxError(f"Port {port} on {host} {why}.") from error
    yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
    server.close()
    engine.end_pending()
    for connection in list(connections):
        connection.transport.abort()


def serve(options: Options, tls: ssl.SSLContext | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Raises SandboxError if it cannot start."""
    asyncio.run(serve_until_stopped(Engine(options), tls))


async def serve_until_stopped(engine: Engine, tls: ssl.SSLContext | None) -> None:
    async with listening(engine, tls) as url:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        sys.stdout.write(greeting(engine, url))
        sys.stdout.flush()
        await stopped.wait()


def greeting(engine: Engine, url: str) -> str:
    """One line: where it listens, whose addresses it has, and its tokens."""
    world = engine.state.world
    owners = ", ".join(f"{o.name} ({o.sub_domain})" for o in world.organizations[:2])
    token = next(iter(engine.tokens))
    special = ", ".join(f"-{each.label}" for each in SPECIAL)
    return (
        f"Katapult sandbox on {url}/core/v1: {len(world.addresses)} addresses of {owners}, "
        f"seed {engine.state.seed}; token {token}, or it with one of: {special}\n"
    )


class Sandbox:
    """A sandbox in a thread, by default on a free port, with the options of `Options`.

    Its methods run in the loop of the server, and so never in the middle of a call.
    """

    def __init__(self, **options: Any) -> None:
        self.options = Options(**{"port": 0} | options)
        self.token = self.options.token
        self.url = ""  # without /core/v1
        self.engine = Engine(self.options)
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._started: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._started.result()
        return self

    def __exit__(self, *_error: object) -> None:
        self._do(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        """In a thread of its own: that of the caller may have a running loop, as Playwright's."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            async with listening(self.engine) as url:
                self._started.set_result(url)
                await self._stopped.wait()
        except SandboxError as error:
            self._started.set_exception(error)

    def _do(self, act: Callable[[], T]) -> T:
        async def inside() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result()

    def ledger(self, call: str | None = None) -> list[OpenShape]:
        return self._do(lambda: self.engine.ledger(call))

    def world(self) -> OpenShape:
        return self._do(self.engine.world)

    def set_faults(self, rules: list[OpenShape]) -> None:
        """Put `rules` (see `faults.Rule`) in force instead of any others; [] for none."""
        self._do(lambda: self.engine.set_faults(rules))

    def behave(self, **behaviour: Any) -> None:
        """How the identity provider behaves from now on; see `oauth.Behaviour`."""
        self._do(lambda: self.engine.behave(**behaviour))

    def oauth_ledger(self) -> list[OpenShape]:
        return self._do(self.engine.oauth_ledger)

    def reset(self, seed: int | None = None, addresses: int | None = None) -> None:
        self._do(lambda: self.engine.reset(seed, addresses))

    def allocate(
        self, ip_address: str, virtual_machine: str, reverse_dns: str | None = None
    ) -> None:
        self._do(lambda: self.engine.allocate(ip_address, virtual_machine, reverse_dns))

    def unallocate(self, ip_address: str) -> None:
        self._do(lambda: self.engine.unallocate(ip_address))

    def trash(self, virtual_machine: str, keep_until: int | None = KEEP_UNTIL) -> None:
        self._do(lambda: self.engine.trash(virtual_machine, keep_until))

    def release(self, ip_address: str, to: str | None = None) -> None:
        self._do(lambda: self.engine.release(ip_address, to))
