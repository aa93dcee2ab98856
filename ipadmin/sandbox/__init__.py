"""A local imitation of Katapult's API over real HTTP, for tests and the demo.

It has addresses and machines of its own, a ledger of all requests, and faults on demand. It imports
nothing else of this project, so that it shares no mistake with the client, and neither Django nor a
database. To add a call, add a function and a line of `CALLS` in `calls.py`. CONTRIBUTING says what
[doc], [seen] and [frame] mean.
"""

from .engine import SandboxError
from .options import Options
from .runner import Sandbox

__all__ = ["Options", "Sandbox", "SandboxError"]
