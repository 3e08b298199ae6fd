"""What a network costs a start, and whether it costs more where many containers have one.

    python bench/network.py [ROUNDS [CONTAINERS]]

Each way is a container of `true` from its start to its end, with all that is made for it removed. Ways are tried in
turn, in another order each round; medians are printed, and their ratio to the same start with a network namespace that
has nothing in it. Then so many containers with a network are started and stay, and all is measured again. The host's
side is a network namespace of this program's own. Needs root, busybox-static and unshare(1).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from haconiwa_network import Network
from haconiwa_ns_net import NetNamespace
from start import features, keep_running, make_root, print_medians, warm

from haconiwa_core import Container
from haconiwa_core.feature import Feature
from haconiwa_core.launch.choice import choose_launcher

APART = "HACONIWA_BENCH_APART"
BASE = "an empty namespace"
KINDS: dict[str, tuple[Feature, ...]] = {
    BASE: (),
    "an address": (Network(),),
    "IPv4 and IPv6": (Network(subnet6="fd00:68::/64"),),
    "a published port": (Network(ports=["8080:80"]),),
    "a policy": (Network(to=["10.0.0.0/8:5432", "192.0.2.1:443"]),),
}


def main() -> None:
    if APART not in os.environ:
        os.environ[APART] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    many = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name, ExitStack() as end:
        folder, launcher = Path(name), choose_launcher("helper")
        root = make_root(folder)
        ways = {
            way: warm(folder, Container("bench", ["/true"], features(root, NetNamespace(), *more)), launcher)
            for way, more in KINDS.items()
        }
        print_medians(ways, BASE, rounds)
        kept = Container("kept", ["/sleep", "100000"], features(root, NetNamespace(), *KINDS["a policy"]))
        keep_running(kept, folder, many, end)
        print(f"\nwith {many} containers that have a policy")
        print_medians(ways, BASE, rounds)


if __name__ == "__main__":
    main()
