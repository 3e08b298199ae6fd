"""Why a request gets no instance."""

from __future__ import annotations

from haconiwa_core.errors import HaconiwaError


class RefusedError(HaconiwaError):
    """A request gets no instance.

    Args:
        text: why, for the log; a client is told the status alone.
        status: of the answer to it (RFC 9110): 502 where an instance could not be started, else 503.
        retry_after: seconds after which another attempt may be better.
        instance: name of the container that could not be started, which `haconiwa logs` understands; "" for none.
    """

    def __init__(self, text: str, *, status: int = 503, retry_after: float = 1.0, instance: str = "") -> None:
        self.status = status
        self.retry_after = retry_after
        self.instance = instance
        super().__init__(text)
