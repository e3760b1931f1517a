"""What every record's payload is made of."""

from collections.abc import Mapping
from typing import Any

__all__ = ["Json"]

Json = Mapping[str, Any]
