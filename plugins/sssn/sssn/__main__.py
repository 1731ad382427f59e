"""`python -m sssn` runs the `sssn` command."""

from sssn.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
