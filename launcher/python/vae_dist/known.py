"""Looks up a name among those that the package knows."""
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


def known(table: Mapping[str, Value], name: str, what: str) -> Value:
    """The entry of `name`. Raises ValueError with the names that there are: the run may come from a newer or extended program."""
    if name not in table:
        raise ValueError(f"{what} {name!r} is unknown to this version of the package, which knows {', '.join(sorted(table))}")
    return table[name]
