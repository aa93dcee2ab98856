"""A local imitation of Katapult's API over real HTTP, for tests and the demo.

It has addresses and machines of its own, a ledger of all requests, and faults on demand. It imports
nothing else of this project, so that it shares no mistake with the client, and neither Django nor a
database. CONTRIBUTING says what [doc], [seen] and [frame] mean.
"""

from .options import Options
from .runner import Sandbox, SandboxError, serve

__all__ = ["Options", "Sandbox", "SandboxError", "serve"]
