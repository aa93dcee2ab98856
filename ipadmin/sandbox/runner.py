"""Starting and stopping: `serve` for a process of its own, `Sandbox` for a thread inside a test."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from .engine import Engine
from .options import Options
from .server import Connection
from .state import StateError

T = TypeVar("T")
BACKLOG = 1024


class SandboxError(Exception):
    """The sandbox cannot start; the text says why in one line."""


class Site:
    """An engine listening on a port."""

    def __init__(self, options: Options) -> None:
        """Raises SandboxError for faults or a state file that cannot be used."""
        try:
            self.engine = Engine(options)
        except (StateError, ValueError, TypeError) as error:
            raise SandboxError(str(error)) from error
        self.connections: set[Connection] = set()
        self.url = ""

    async def listen(self) -> None:
        """Open the port. Raises SandboxError if it is taken."""
        host, port = self.engine.options.host, self.engine.options.port
        loop = asyncio.get_running_loop()
        try:
            self.server = await loop.create_server(
                lambda: Connection(self.engine, self.connections), host, port, backlog=BACKLOG
            )
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is already taken" if taken else f"cannot be opened: {error.strerror}"
            raise SandboxError(f"Port {port} on {host} {why}.") from error
        self.url = f"http://{host}:{self.server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        self.server.close()
        self.engine.end_pending()
        for connection in list(self.connections):
            connection.stop()
        self.engine.state.close()

    def greeting(self) -> str:
        """One line: where it listens, whose addresses it has, which tokens open it."""
        state = self.engine.state
        owners = ", ".join(f"{o.name} ({o.sub_domain})" for o in state.world.organizations[:2])
        token = self.engine.options.token.partition(",")[0]
        labels = dict.fromkeys(known.label for known in self.engine.tokens.values())
        special = ", ".join(f"-{label}" for label in labels)
        return (
            f"Katapult sandbox on {self.url}/core/v1: {len(state.world.addresses)} addresses of "
            f"{owners}, seed {state.seed}; token {token}, or it with one of: "
            f"{special.removeprefix('-everything, ')}\n"
        )


def serve(options: Options) -> None:
    """Serve until SIGINT or SIGTERM. Raises SandboxError if it cannot start."""
    asyncio.run(serve_until_stopped(Site(options)))


async def serve_until_stopped(site: Site) -> None:
    await site.listen()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    sys.stdout.write(site.greeting())
    sys.stdout.flush()
    await stopped.wait()
    site.close()


class Sandbox:
    """A sandbox in a thread, by default on a free port, with the options of `Options`.

    Its methods run in the loop of the server, and so never in the middle of a call.
    """

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.token = self.options.token
        self.url = ""  # without /core/v1
        self._site = Site(self.options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._site.listen(), self._loop).result()
        except BaseException:
            self._stop()
            raise
        self.url = self._site.url
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._do(self._site.close)
        self._stop()

    def _run(self) -> None:
        """In a thread of its own: that of the caller may have a running loop, as Playwright's."""
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _do(self, act: Callable[[], T]) -> T:
        async def inside() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result()

    @property
    def engine(self) -> Engine:
        return self._site.engine

    def ledger(self, call: str | None = None) -> list[dict[str, Any]]:
        """Every request received, or those of one call; the keys are those of `state.Entry`."""
        return self._do(lambda: self.engine.ledger(call))

    def world(self) -> dict[str, Any]:
        """`organizations`, `virtual_machines` (whatever holds addresses) and `ip_addresses`."""
        return self._do(self.engine.world)

    def set_faults(self, rules: list[dict[str, Any]]) -> None:
        """Put `rules` (see `faults.Rule`) in force instead of any others; [] for none."""
        self._do(lambda: self.engine.set_faults(rules))

    def reset(self, seed: int | None = None, addresses: int | None = None) -> None:
        """A fresh world, an empty ledger, the faults of the start."""
        self._do(lambda: self.engine.reset(seed, addresses))

    def allocate(self, ip_address: str, virtual_machine: str) -> None:
        """Allocate without a request, to a virtual machine by ID or name."""
        self._do(lambda: self.engine.allocate(ip_address, virtual_machine))

    def unallocate(self, ip_address: str) -> None:
        """Unallocate without a request."""
        self._do(lambda: self.engine.unallocate(ip_address))

    def release(self, ip_address: str, to: str | None = None) -> None:
        """Take an address from its organization; with `other`, give it to the other one."""
        self._do(lambda: self.engine.release(ip_address, to))
