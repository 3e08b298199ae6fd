"""What the verbs have in common that ask the resident supervisor about one of its containers."""

from __future__ import annotations

from typing import Any

from haconiwa_runtime.client import ask_about

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.runtime.store import Store


def asked(store: Store, name: str, do: str, **what: Any) -> Any:
    """Ask the supervisor of a container, and return the value that it answers.

    Args:
        store: with the container's record.
        name: of the container.
        do: the request.
        what: its other parts, as JSON has them.

    Raises:
        RecordError: there is no such container.
        HaconiwaError: no resident supervisor keeps it, or as that answers.
    """
    answer = ask_about(store, name, do, **what)
    if answer is None:
        store.read(name)  # For its error.
        raise HaconiwaError(f"no resident supervisor keeps the container {name}, or it has ended")
    return answer["value"]
