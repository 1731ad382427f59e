"""`python -m lllm` is the command `lllm`."""

from lllm.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
