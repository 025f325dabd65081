"""The command line: finds the command, and turns errors into one line."""

from __future__ import annotations

import io
import sys

from endofm.cli import run


def main() -> None:
    """Entry point of ``endofm``."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal cannot show is no error
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
