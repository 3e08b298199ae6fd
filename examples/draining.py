"""A server that lives for a minute, and answers what it was asked before it ends: `haconiwa run draining.py`."""

from pathlib import Path

import haconiwa_lifetime
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_supervision import Ready, Supervision

from haconiwa_core import Container

server = Container(
    "server",
    command=["python3", str(Path(__file__).with_name("draining") / "serve.py")],
    features=[PidNamespace(), NetNamespace(), Supervision(ready=Ready(port=8080))],
)

# SIGUSR1 tells it to take no more requests. It has five seconds for those that it has taken.
haconiwa_lifetime.attach(server, seconds=60, drain=5.0, signal="SIGUSR1")
