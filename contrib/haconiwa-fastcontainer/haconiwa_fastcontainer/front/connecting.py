"""A connection to an instance of a service."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from haconiwa_fastcontainer.fleet.refusals import RefusedError

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.service import Service
    from haconiwa_fastcontainer.fleet.use import Use

_ATTEMPTS = 3


async def connected(service: Service, *, wakes: bool = True, anew: bool = False) -> tuple[Use, socket.socket]:
    """Return an instance and a connection to it, which are the caller's to release and to close or keep.

    One that does not accept the connection, because it ends at this moment, is left for another: nothing was said yet.

    Args:
        service: that is asked for.
        wakes: start an instance where none runs.
        anew: take no connection that was used before.

    Raises:
        RefusedError: there is none.
    """
    for _ in range(_ATTEMPTS):
        use = await service.acquire(wakes=wakes)
        try:
            instance = use.instance
            return use, await (instance.connect_anew() if anew else instance.connect())
        except OSError as error:
            if use.instance.subject is None:
                use.instance.shun()
            use.release()
            reason, name = error.strerror or str(error) or "it does not answer", use.instance.name
        except BaseException:
            use.release()
            raise
    raise RefusedError(f"{name} cannot be reached: {reason}", status=502, instance=name)
