"""IP admin: unallocate a Katapult IP address from the browser, with proof of what was done."""

__version__ = "0.2.0"
