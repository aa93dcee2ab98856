"""The processes of a soak: the sandbox, the site on gunicorn, and the worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
# For a start or stop; long, because the machine may be busy.
PROCESS_TIMEOUT_SECONDS = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A command in a new process group, with its output in a file."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], folder: Path) -> None:
        self.command, self.env = command, env
        self.log = folder / f"{name}.log"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(
                self.command,
                env=self.env,
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._running
        return self._running.pid

    def kill(self) -> None:
        """End it and all its children with SIGKILL."""
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._running.wait(PROCESS_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """End it with SIGTERM, as a service manager does, and wait."""
        if self._running is not None and self._running.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            self._running.wait(PROCESS_TIMEOUT_SECONDS)

    def has_ended(self) -> bool:
        return self._running is None or self._running.poll() is not None


class Web(Process):
    """The site: gunicorn's master and two serving processes."""

    def __init__(self, env: dict[str, str], folder: Path, port: int) -> None:
        command = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
        more = {"PORT": str(port), "WEB_CONCURRENCY": "2"}
        super().__init__("web", command, env | more, folder)
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        super().start()
        wait_for(self, f"{self.url}/healthz")

    def serving(self) -> list[int]:
        """The process ids of the master's children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def kill_one(self, number: int) -> None:
        """Kill one serving process, which the master replaces."""
        pids = self.serving()
        if pids:
            with suppress(ProcessLookupError):
                os.kill(pids[number % len(pids)], signal.SIGKILL)


class Worker(Process):
    def __init__(self, env: dict[str, str], folder: Path) -> None:
        super().__init__("worker", [sys.executable, "manage.py", "worker"], env, folder)


class Box(Process):
    """The sandbox, with a token for each operator."""

    def __init__(
        self, env: dict[str, str], folder: Path, *, port: int, seed: int, tokens: list[str]
    ) -> None:
        options = ["--port", str(port), "--seed", str(seed), "--addresses", "160"]
        options += ["--token", ",".join(tokens), "--rate-limit", "100000"]
        options += ["--rate-limit-window", env["RATE_LIMIT_WINDOW"]]
        command = [sys.executable, "-m", "ipadmin.sandbox", *options]
        super().__init__("sandbox", command, env, folder)
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        super().start()
        wait_for(self, f"{self.url}/_sandbox/health")


def wait_for(process: Process, url: str) -> None:
    """Wait until `url` answers. Raises RuntimeError when the process ended or the time is up."""
    deadline = time.monotonic() + PROCESS_TIMEOUT_SECONDS
    while time.monotonic() < deadline and not process.has_ended():
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5, verify=False).status_code == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer; see {process.log}")


def manage(env: dict[str, str], *arguments: str) -> str:
    """Run `manage.py` and return what it printed. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=env,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PROCESS_TIMEOUT_SECONDS * 2,
    )
    return done.stdout
