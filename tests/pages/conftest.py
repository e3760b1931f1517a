from tests.ui.conftest import empty, filled, store

__all__ = ["empty", "filled", "store"]
