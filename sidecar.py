"""Entry of the process that answers pages, for whoever starts it as a file: `python sidecar.py dashboard STUDY`.

The studio itself starts it as `mipro_studio.command("commands.helper_server", ...)`.
"""

import sys

from mipro_studio.commands.helper_server import main

__all__ = ["main"]

if __name__ == "__main__":
    main(sys.argv[1:])
