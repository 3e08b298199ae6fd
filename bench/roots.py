"""What a stored root costs a start, and whether it costs more where many containers share it.

    python bench/roots.py [ROUNDS [CONTAINERS]]

Ways are tried in turn, in another order each round; medians are printed, and their ratio to the same start on a
directory (`chroot`). Then so many containers are started on one layer and stay, and all is measured again. Memory is
what the kernel says is available less. Needs root and busybox-static.
"""

from __future__ import annotations

import re
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from haconiwa_chroot import Chroot
from haconiwa_mount import Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.building import build_base
from haconiwa_rootfs.store.roots import Store as Roots
from haconiwa_rootfs.strategies.shell import shell
from start import COMMAND, Way, keep_running, make_root, print_medians, warm

from haconiwa_core import Container
from haconiwa_core.feature import Feature
from haconiwa_core.launch.choice import choose_launcher

SOURCE = shell('mkdir "$1/proc"; cp /bin/busybox "$1/true"; cp /bin/busybox "$1/sleep"')
RANGE = [IdRange(0, 100000, 65536)]
BASE = "a directory"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    many = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    with ExitStack() as end:
        name, on_disk = (end.enter_context(tempfile.TemporaryDirectory(dir=place)) for place in ("/dev/shm", None))
        folder = Path(name)
        root = make_root(folder)
        ways = {way: with_root(folder, *features) for way, features in kinds(root, f"{on_disk}/roots").items()}
        print_medians(ways, BASE, rounds)
        before = available()
        kept = Container("kept", ["/sleep", "100000"], features(Rootfs(SOURCE, store=f"{on_disk}/roots")))
        keep_running(kept, folder, many, end)
        print(f"\n{many} containers on one layer: {(before - available()) / many:.0f} KiB of memory each")
        print_medians(ways, BASE, rounds)


def kinds(root: Path, store: str) -> dict[str, tuple[Feature, ...]]:
    own_ids = UserNamespace(uid_map=RANGE, gid_map=RANGE)
    found = {
        "a stored root": Rootfs(SOURCE, store=store),
        "a stored root, writable": Rootfs(SOURCE, store=store, writable=True, size="16M"),
    }
    build_base(Container("bench", COMMAND, [found["a stored root"]]), found["a stored root"], Roots(Path(store)), print)
    return {
        BASE: (Chroot(str(root)),),
        f"{BASE}, own ids": (Chroot(str(root), idmapped=True), own_ids),
        **{way: (feature,) for way, feature in found.items()},
        **{f"{way}, own ids": (feature, own_ids) for way, feature in found.items()},
    }


def features(*more: Feature) -> list[Feature]:
    return [MountNamespace(), PidNamespace(), Mount(proc=True, masked=(), read_only=()), *more]


def with_root(folder: Path, *more: Feature) -> Way:
    return partial(warm(folder, Container("bench", COMMAND, features(*more)), choose_launcher("helper")))


def available() -> int:
    found = re.search(r"^MemAvailable: +(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


if __name__ == "__main__":
    main()
