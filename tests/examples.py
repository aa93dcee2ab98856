"""How many examples a property is tried with."""

import os

# Of the number that the test gives; 1 for all. CONTRIBUTING says when.
SHARE = float(os.environ.get("EXAMPLES") or 0.2)


def share_of(number: int) -> int:
    return max(10, round(number * SHARE))
