"""Two containers from one set of settings: `haconiwa run several.py`, or `haconiwa run several.py strict`."""

from dataclasses import replace

from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit

from haconiwa_core import Container

# A leading "_" keeps it from being run: it is no container yet.
_shared = Container(
    "shared",
    command=["/bin/sh", "-c", 'echo "$(hostname) may open $(ulimit -n) files"'],
    features=[PidNamespace(), UtsNamespace(), Rlimit(nofile=1024)],
)

# Both are copies: nothing that is done to one is seen by the other. The host name is the container's name.
plain = replace(_shared, name="plain")
strict = replace(_shared, name="strict") + Rlimit(nofile=64)
