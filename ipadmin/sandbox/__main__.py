"""`python -m ipadmin.sandbox`: the sandbox in a process of its own."""

import sys

from .engine import SandboxError
from .options import from_command_line
from .runner import serve

try:
    serve(from_command_line())
except SandboxError as error:
    sys.exit(str(error))
