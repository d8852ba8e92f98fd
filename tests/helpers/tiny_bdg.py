"""The command ``bdg``, with the kind of `tiny_kind` besides its own."""

import sys

from tiny_kind import KIND

from bdg.cli import main
from bdg.jobs.kinds import register

register(KIND)

if __name__ == "__main__":
    sys.exit(main())
