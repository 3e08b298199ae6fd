"""Read what layers show together as one archive, as those to whom the files belong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from haconiwa_core.errors import HaconiwaError
from haconiwa_rootfs.images.packing import pack
from haconiwa_rootfs.unpack.ids import become_root_of_new_user_namespace, map_ids
from haconiwa_rootfs.unpack.interpreter import INTERPRETER, environment

_START = f"from {__name__} import run; run()"


@contextmanager
def packed(layers: Sequence[str], for_image: bool = False) -> Iterator[IO[bytes]]:
    """Give an archive to read, without compression; an ordinary user's process reads the files in a user namespace.

    Args:
        layers: their directories, the lowest first.
        for_image: it becomes a layer of an image.

    Raises:
        HaconiwaError: it cannot be read, or a name cannot be in an image; what was read is to be thrown away.
    """
    ours, theirs = socket.socketpair()
    ordinary = os.geteuid() != 0
    with ours, theirs:
        channel = theirs.fileno() if ordinary else -1
        child = subprocess.Popen(
            [*INTERPRETER, "-c", _START, str(channel), str(int(for_image)), *layers],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(channel,) if ordinary else (),
        )
        theirs.close()
        assert child.stdout is not None
        assert child.stderr is not None
        with child.stdout, child.stderr:
            try:
                if ordinary:
                    map_ids(child.pid, ours)
                yield child.stdout
                if child.stdout.read(1) or child.wait():
                    raise HaconiwaError(child.stderr.read().decode(errors="replace").strip())
            finally:
                child.kill()
                child.wait()


def run() -> None:
    """Be the process that reads."""
    channel, for_image, layers = int(sys.argv[1]), sys.argv[2] == "1", sys.argv[3:]
    if channel >= 0:
        become_root_of_new_user_namespace(channel)
    try:
        pack(layers, sys.stdout.buffer, for_image)
    except HaconiwaError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
