import json
from pathlib import Path

from haconiwa_seccomp import Arg, Rule, Seccomp

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "seccomp"
    valid = (
        Seccomp(),
        Seccomp(log=True),
        Seccomp(profile="none", default="allow", rules=[Rule(["mount"], "kill_process")]),
        Seccomp(profile="profile.json", rules=[Rule(["ptrace"], "errno", 38, args=[Arg(0, "!=", 0)])]),
    )

    def fill(self, folder: Path) -> None:
        syscalls = [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]
        profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls}
        (folder / "profile.json").write_text(json.dumps(profile))
