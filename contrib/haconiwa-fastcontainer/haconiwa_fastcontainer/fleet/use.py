"""One request's use of an instance."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.instance import Instance
    from haconiwa_fastcontainer.fleet.service import Service


class Use:
    """A context manager that gives the instance back.

    Args:
        service: of the instance.
        instance: which is used.
        began: when the request came, on the monotonic clock.
        cold: whether it had to wait until an instance was started.
        counts: whether it keeps the instance from being idle.

    Attributes:
        waited: seconds that the request has waited for the instance.
    """

    def __init__(self, service: Service, instance: Instance, began: float, *, cold: bool, counts: bool = True) -> None:
        self.service = service
        self.instance = instance
        self.cold = cold
        self.waited = time.monotonic() - began
        self._counts = counts
        self._is_over = False

    def __enter__(self) -> Use:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the instance back; only the first time counts."""
        if not self._is_over:
            self._is_over = True
            self.service.release(self.instance, counts=self._counts)
