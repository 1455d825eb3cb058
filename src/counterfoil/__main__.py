"""`python -m counterfoil` is the command line."""

from .cli_main import main

if __name__ == "__main__":
    main()
