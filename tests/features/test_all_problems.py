"""What is wrong in a file, on the command line and with the plan is told at once."""

from core.support import haconiwa

DEFINITION = """\
command = ["true"]
[rlimit]
nofiles = 3
[mount]
proc = true
[ns-uts]
hostname = 3
[credentials]
uid = "nobody-knows"
"""

EXPECTED = (
    ":3: rlimit.nofiles: unknown key",
    ":4: mount: would change the mounts of others",
    ":7: ns-uts.hostname: must be",
    ":8: credentials.uid: the host has no user",
    "command line: absent: no such feature",
    "command line: --set nonsense: not understood",
)


def test_all_problems_come_together(tmp_path):
    file = tmp_path / "web.toml"
    file.write_text(DEFINITION)
    done = haconiwa("plan", file, "--set", "absent.x=1", "--set", "nonsense")
    assert done.returncode == 2
    assert [text for text in EXPECTED if text not in done.stderr] == [], done.stderr
