"""``facerec``, and ``python -m facerec_cli``: loads the command line, and ends quietly where that is interrupted."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line, and end the process with its exit status."""
    try:
        from facerec_cli.cli import main as run  # noqa: PLC0415 - what is interrupted is the loading

        run()
    except KeyboardInterrupt:
        if sys.stderr:
            sys.stderr.write("Stopped; what was finished is kept.\n")
            sys.stderr.flush()
        os._exit(130)


if __name__ == "__main__":
    main()
