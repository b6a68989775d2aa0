"""`python -m hepad` is the `hepad` command."""

from __future__ import annotations

from hepad.cli.main import main

if __name__ == "__main__":
    main()
