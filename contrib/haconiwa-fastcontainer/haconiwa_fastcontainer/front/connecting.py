"""A connection to an instance of a service."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from haconiwa_fastcontainer.fleet.refusals import RefusedError

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.service import Service
    from haconiwa_fastcontainer.fleet.use import Use

_ATTEMPTS = 3


async def connected(service: Service, *, wakes: bool = True) -> tuple[Use, socket.socket]:
    """Return an instance and a connection to it, which are the caller's to release and to close or keep.

    One that does not accept the connection, because it ends at this moment, is left for another: nothing was said yet.

    Args:
        service: that is asked for.
        wakes: start an instance where none runs.

    Raises:
        RefusedError: there is none.
    """
    for _ in range(_ATTEMPTS):
        use = await service.acquire(wakes=wakes)
        try:
            return use, await use.instance.connect()
        except OSError as error:
            use.release()
            reason, name = error.strerror or str(error), use.instance.name
        except BaseException:
            use.release()
            raise
    raise RefusedError(f"{name} cannot be reached: {reason}", status=502, instance=name)
