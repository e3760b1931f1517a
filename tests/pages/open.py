"""Opening a page as a person does: through the entry, at an address."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

__all__ = ["TIMEOUT_S", "open_page", "texts"]

ENTRY = Path(__file__).resolve().parents[2] / "app.py"
TIMEOUT_S = 240

# For each AppTest Streamlit reads the metadata of every installed package, to find components in them: a sixth of a
# second. They do not change while the tests run.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


NOTHING: Mapping[str, str] = MappingProxyType({})


def open_page(page: str = "app.py", state: Mapping[str, str] = NOTHING, **query: str) -> AppTest:
    """The page after its first run at `?query`; it raised nothing.

    Args:
        state: What widgets hold already, by key: `{"live_tab": "Errors"}` has that tab open.
    """
    app = AppTest.from_file(str(ENTRY), default_timeout=TIMEOUT_S)
    if page != "app.py":
        app.switch_page(page)
    for name, value in query.items():
        app.query_params[name] = value
    for name, value in state.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def texts(app: AppTest) -> str:
    """Everything the page says in words, the foreign text included."""
    kinds = ("text", "caption", "markdown", "title", "header", "subheader", "code", "html")
    found: list[str] = []
    for kind in kinds:
        for element in app.get(kind):
            proto = getattr(element, "proto", None)
            found.append(str(getattr(element, "value", "") or getattr(proto, "body", "")))
    return "\n".join(found)
