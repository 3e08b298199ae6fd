from pathlib import Path

from haconiwa_init import Init

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWPID
from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "init"
    valid = (Init(program="init"), Init(program="init", arguments=["-v", "-g"]))

    def fill(self, folder: Path) -> None:
        # A real one would run, and what it cannot execute would be its own failure, not the start's.
        (folder / "init").write_text("no program")
        (folder / "init").chmod(0o755)


class TestConformanceInAPidNamespace(TestConformance):
    facts = (Namespace("pid", CLONE_NEWPID),)
