"""The part of the command line that is `counterfoil serve`: what can be asked for. Everything else is imported late."""

from __future__ import annotations

import click

from .cli_words import OUT, run_to_end


@click.command(short_help="The page: watch OUT live, and look at its documents.")
@OUT
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port; 0 for any. The first free one from 8765 if not given."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address; any but this machine's own need a token."
)
@click.option("--token", help="What visitors must bring along; made and printed if --host needs one.")
@click.option("--read-only", is_flag=True, help="Refuse whatever would change something.")
def serve(out: str, port: int | None, host: str, token: str | None, read_only: bool) -> None:
    """Serve a page on OUT, whether runs go on elsewhere or have ended: progress, cost, documents. Ctrl-C ends it.

    It only reads, by what changed, and never hinders a run.
    """
    from .command_serve import Options, serve

    options = Options(out, port, host, token, read_only)
    run_to_end(serve(options, lambda address: click.echo(f"counterfoil: {out} at {address} (Ctrl-C ends)")))
