"""gunicorn's worker with a deadline for the head of a request.

gunicorn waits for a request's head as long as the client likes, and each such client occupies one
of the threads. Here the connection is closed after HEAD_SECONDS. A slow body still occupies its
thread: the proxy in front must read requests before it passes them on, as nginx does.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

HEAD_SECONDS = 5.0


class Worker(ThreadWorker):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # When the head of a connection's request has to be complete.
        self.deadlines: dict[Any, float] = {}

    def handle(self, conn: Any) -> Any:
        self.deadlines[conn] = time.monotonic() + HEAD_SECONDS
        try:
            return super().handle(conn)
        finally:
            self.deadlines.pop(conn, None)

    def handle_request(self, req: Any, conn: Any) -> Any:
        self.deadlines.pop(conn, None)
        return super().handle_request(req, conn)

    def notify(self) -> None:
        """Called by the main loop, at least once a second."""
        super().notify()
        now = time.monotonic()
        for conn, deadline in list(self.deadlines.items()):
            if now > deadline:
                self.deadlines.pop(conn, None)
                with suppress(OSError):
                    # Ends the waiting `recv` in the other thread.
                    conn.sock.shutdown(socket.SHUT_RDWR)
