from pathlib import Path

from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.building import build_base, store_of

from haconiwa_core.container import Container
from haconiwa_core.facts import IdMap, IdRange, Namespace
from haconiwa_core.linux.constants import CLONE_NEWNS
from haconiwa_core.testing import Conformance

SOURCE = {"shell": {"script": 'mkdir "$1/bin" && cp /bin/busybox "$1/bin/true"'}}


class Built(Conformance):
    section = "rootfs"

    def fill(self, folder: Path) -> None:
        for feature in self.valid:
            assert isinstance(feature, Rootfs)
            container = Container("box", command=["true"], features=[feature], folder=str(folder))
            build_base(container, feature, store_of(feature, str(folder)), print)


class TestWithMounts(Built):
    facts = (Namespace("mnt", CLONE_NEWNS),)
    valid = (
        Rootfs(SOURCE, store="store"),
        Rootfs(SOURCE, store="store", writable=True, size="1M"),
        Rootfs(SOURCE, store="store", nosuid=False, nodev=False),
    )


class TestWithIdsOfItsOwn(Built):
    facts = (
        Namespace("mnt", CLONE_NEWNS),
        IdMap((IdRange(0, 100000, 65536),), (IdRange(0, 100000, 65536),)),
    )
    valid = (Rootfs(SOURCE, store="store"), Rootfs(SOURCE, store="store", idmapped=False, writable=True))
