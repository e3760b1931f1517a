"""The option `--store` of every command."""

from pathlib import Path
from typing import Annotated

import typer

from mipro_studio.storage import store_at

__all__ = ["StoreOption"]

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        parser=store_at,
        metavar="FILE|URL",
        help="Database file, or a team's store as postgresql://user@host/database; default .mipro-studio/studio.db.",
    ),
]
