from pathlib import Path

from haconiwa_hardened import Hardened

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "hardened"
    valid = (
        Hardened(root="root"),
        Hardened(root="root", ids="host", network="host", memory="max", pids="max"),
        Hardened(root="root", ids=1_000_000, memory="64M", pids=7, cpu=0.5),
    )

    def fill(self, folder: Path) -> None:
        for name in ("bin", "dev", "proc", "tmp"):
            (folder / "root" / name).mkdir(parents=True, exist_ok=True)
        (folder / "root" / "bin" / "true").touch()
