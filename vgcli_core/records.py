"""What runs write down about themselves is nested tables; compared, and sent to trackers, as one level."""

from collections.abc import Mapping
from typing import Any


def flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dots in the keys: {"optim.lr": 1e-5}."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, Mapping) and value else {f"{before}{key}": value}
    return found
