"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from mipro_studio.storage import store_at

__all__ = [
    "ApiBaseOption",
    "ApiKeyOption",
    "JsonOption",
    "RunArgument",
    "SettingsOption",
    "StoreOption",
]

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        parser=store_at,
        metavar="FILE|URL",
        help="Database file, or a team's store as postgresql://user@host/database; default .mipro-studio/studio.db.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or the beginning of one.")]
ApiBaseOption = Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible endpoint.")]
ApiKeyOption = Annotated[str | None, typer.Option(help="NAME of the variable that holds the key.")]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting, as search.lag=3; `settings` lists them.")
]
