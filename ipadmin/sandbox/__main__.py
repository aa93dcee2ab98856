"""`python -m ipadmin.sandbox`: the sandbox without Django."""

import argparse
import sys

from . import Options, SandboxError, serve
from .options import add_arguments


def main() -> int:
    parser = argparse.ArgumentParser(prog="ipadmin.sandbox", description=__doc__)
    add_arguments(parser)
    try:
        serve(Options.from_parsed(vars(parser.parse_args())))
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
