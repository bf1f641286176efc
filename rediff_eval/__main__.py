"""`python -m rediff_eval` is `rediff-eval`."""

from rediff_eval.cli import main

if __name__ == "__main__":
    main()
