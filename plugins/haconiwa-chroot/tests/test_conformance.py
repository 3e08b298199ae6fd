from pathlib import Path

from haconiwa_chroot import Chroot

from haconiwa_core.facts import IdMap, IdRange, Namespace
from haconiwa_core.linux.constants import CLONE_NEWNS
from haconiwa_core.testing import Conformance


class Root(Conformance):
    section = "chroot"

    def fill(self, folder: Path) -> None:
        (folder / "root" / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "root" / "bin" / "true").touch()


class TestAlone(Root):
    valid = (Chroot("root"), Chroot("root", pivot=False, read_only=False))


class TestWithMounts(Root):
    facts = (Namespace("mnt", CLONE_NEWNS),)
    valid = (Chroot("root"), Chroot("root", pivot=False), Chroot("root", pivot=True, read_only=False))


class TestWithIdsOfItsOwn(Root):
    facts = (
        Namespace("mnt", CLONE_NEWNS),
        IdMap((IdRange(0, 100000, 65536),), (IdRange(0, 200000, 65536),)),
    )
    valid = (Chroot("root", idmapped=True),)
