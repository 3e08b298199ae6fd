"""What begins anew in a forked copy of the program: there other threads are gone, and their locks stay held."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from weakref import WeakSet


class Forked(ABC):
    """Something that holds threads, locks or child processes, of which a forked copy has none."""

    def __init__(self) -> None:
        self._begin()
        _everything.add(self)

    @abstractmethod
    def _begin(self) -> None:
        """Make them: for a new object, and once more in each forked copy."""


_everything: WeakSet[Forked] = WeakSet()


def _begin_anew() -> None:
    for one in _everything:
        one._begin()


os.register_at_fork(after_in_child=_begin_anew)
