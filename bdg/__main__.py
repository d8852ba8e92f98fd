"""``python -m bdg`` is the command ``bdg``."""

import sys

from bdg.cli import main

if __name__ == "__main__":
    sys.exit(main())
