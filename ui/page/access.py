"""Who may hand code, paths and keys to the studio from a browser.

On loopback that is the person at the machine. On any other address everybody who reaches the port could run code
here, read files and send keys away, so all that is refused unless a setting allows it and a login is in force.
"""

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.sources import is_python_source
from mipro_studio.storage import default_store

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.config import RunConfig

__all__ = ["ALLOW_VARIABLE", "code_refusal", "require_allowed"]

ALLOW_VARIABLE = "MIPRO_STUDIO_ALLOW_CODE"
"""Environment variable; 1 lets people who are logged in run code on an address other than loopback."""


def code_refusal() -> str:
    """Why nothing that runs code or reads files here is taken from this browser; empty when it is."""
    address = st.get_option("server.address")
    if _is_loopback(address):
        return ""
    where = f"This studio listens on {address or 'every address'}, where others can reach it"
    if os.environ.get(ALLOW_VARIABLE) != "1":
        return f"{where}: it takes no programs, paths or keys unless {ALLOW_VARIABLE}=1 is set and people log in."
    if not _has_login():
        return (
            f"{where}: set up a login (Streamlit's [auth] in secrets.toml) before it takes programs, paths or keys."
        )
    if not st.user.get("is_logged_in", False):
        return f"{where}: log in before you hand it programs, paths or keys."
    return ""


def require_allowed(config: "RunConfig") -> None:
    """Let a request through that may come from this browser.

    Raises:
        BadInput: it names code, a file or a key, and this browser may not.
    """
    why = code_refusal()
    if why and (named := _names(config)):
        raise BadInput(f"{named} is refused. {why}", "Sample programs and programs without code work.")


def _names(config: "RunConfig") -> str:
    """The first thing in `config` that only a trusted person may name; empty when there is none."""
    # The settings take a tenth of a second to import, which pages that only show need not wait for.
    from mipro_studio.optimizer_core.config import NO_CODE

    if not config.program.startswith(("sample:", *NO_CODE)):
        return "A program of your own"
    if ":" in (config.metric or ""):
        return "A metric of your own"
    uploads = default_store().absolute().parent / "uploads"
    files = [config.data.data, config.data.train, config.data.val, config.data.test]
    if any(file and is_python_source(file) for file in files):
        return "Rows from Python code"
    if any(file and uploads.resolve() not in Path(file).expanduser().resolve().parents for file in files):
        return "The path of a data file"
    if any(spec.api_base or spec.api_key_env for spec in config.specs):
        return "An endpoint of your own"
    return ""


def _is_loopback(address: str | None) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def _has_login() -> bool:
    try:
        return bool(st.secrets.get("auth"))
    except FileNotFoundError:
        return False
