"""A local Katapult Core API over real HTTP, with a world, a ledger and faults on demand.

It imports nothing of this product, so that it checks our client instead of agreeing with it, and
needs neither Django nor a database. Facts come from the API page: [doc] the vendor's reference,
[seen] recorded answers of the live API, [frame] the vendor's API framework.
"""

from .options import Options
from .runner import Sandbox, SandboxError, serve

__all__ = ["Options", "Sandbox", "SandboxError", "serve"]
