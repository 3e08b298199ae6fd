"""What a network of an ordinary user needs of the host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_user_network.helpers import PACKAGES, TUN

_USES = {
    "pasta": "a network for containers with a user namespace",
    "slirp4netns": "a network for root's containers without a user namespace, and in place of pasta",
}


def diagnose() -> Iterator[Diagnosis]:
    """Look for the programs that forward, and try the device by which they do."""
    for program, use in _USES.items():
        found = shutil.which(program)
        if found:
            yield Diagnosis(program, "ok", f"{found}: {use}")
        else:
            remedy = f"apt-get install {PACKAGES[program]}"
            yield Diagnosis(program, "degraded", f"not installed: {use}", remedy)
    if os.access(TUN, os.R_OK | os.W_OK):
        yield Diagnosis(TUN, "ok", "the interface of a network through pasta or slirp4netns can be made")
    else:
        there = "may not be opened by the caller" if os.path.exists(TUN) else "is not there"
        meaning = f"it {there}: neither pasta nor slirp4netns can make an interface"
        yield Diagnosis(TUN, "missing", meaning, f"as root: modprobe tun; chmod 666 {TUN}")
