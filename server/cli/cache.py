"""The commands on compiled models: listing, removing and checking them. `app` registers them as `savor cache`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Show, remove and check the compiled models that servers keep.", no_args_is_help=True)

CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="FOLDER",
        help="Their folder. [default: the setting cache.dir: SAVOR_CACHE__DIR, else ~/.cache/savor/compiled]",
    ),
]
Keys = Annotated[
    list[str] | None, typer.Argument(metavar="KEY", help="As `savor cache ls` shows them; the first few digits do.")
]


@app.command(name="ls")
def list_entries(
    cache_dir: CacheDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: an object a line.")] = False,
) -> None:
    """List compiled models, those used last first."""
    from savor.server.cli.cache_entries import show

    show(cache_dir, as_json=as_json)


@app.command(name="rm")
def remove(
    keys: Keys = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove all of them.")] = False,
    cache_dir: CacheDir = None,
) -> None:
    """Remove compiled models. Servers that run one keep it until they stop; who needs it again makes it anew."""
    from savor.server.cli.cache_entries import remove as run

    run(keys or [], cache_dir, everything=everything)


@app.command()
def verify(keys: Keys = None, cache_dir: CacheDir = None) -> None:
    """Read every file of some compiled models, or of all; exit with 1 where one is not what was written."""
    from savor.server.cli.cache_entries import verify as run

    run(keys or [], cache_dir)
