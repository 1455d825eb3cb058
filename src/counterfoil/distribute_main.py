"""`python -m counterfoil.distribute_main`: what a seat starts as its worker. Not for people: see `--engine` of `run`.

The processes that read documents import this module too, since it is the main one: it imports nothing before it runs.
"""

from __future__ import annotations


def main() -> None:
    from .distribute_worker import main as work

    work()


if __name__ == "__main__":
    main()
