from pathlib import Path

from haconiwa_mount import Bind, Mount, Overlay, Tmpfs

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWNS
from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "mount"
    facts = (Namespace("mnt", CLONE_NEWNS),)
    valid = (
        Mount(),
        Mount(proc=True, sysfs=True, dev=True, devpts=True, shm=True, mqueue=True),
        Mount(bind=[Bind("source", "/tmp"), Bind("source/file", "/etc/passwd", recursive=False, noexec=True)]),
        Mount(tmpfs=[Tmpfs("/tmp", size="1M", mode=0o1777), Tmpfs("/tmp/below", read_only=True)]),
        Mount(overlay=[Overlay("/srv", lower=["source"]), Overlay("/etc", lower=["source", "/etc"], read_only=True)]),
        Mount(overlay=[Overlay("/srv", lower=["source"], upper="upper", work="work")]),
        Mount(masked=["/etc/passwd", "/tmp", "/absent"], read_only=["/etc", "/absent"]),
    )

    def fill(self, folder: Path) -> None:
        # The kernel makes work/work and leaves it; it belongs to whoever owns the upper directory.
        for name in ("source", "upper", "work/work"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "source" / "file").touch()
