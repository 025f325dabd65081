"""The command line: finds the command, and turns errors into one line."""

from __future__ import annotations

import sys

from endofm.cli import run


def main() -> None:
    """Entry point of ``endofm``."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
