import os
from pathlib import Path

from haconiwa_ns_uts import UtsNamespace

from haconiwa_core.testing import needs_root, run, started

pytestmark = needs_root

SHOW = ["cat", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname"]


def test_names_inside_and_outside() -> None:
    before = os.uname()
    longest = "x" * 64
    assert run(UtsNamespace(hostname=longest, domainname="example.org"), command=SHOW).stdout == (
        f"{longest}\nexample.org\n"
    )
    assert os.uname() == before


def test_the_domain_name_stays_the_hosts() -> None:
    outside = Path("/proc/sys/kernel/domainname").read_text()
    assert run(UtsNamespace(), command=SHOW).stdout == f"test\n{outside}"


def test_joined_names_are_seen() -> None:
    with started(UtsNamespace(hostname="first")) as first:
        assert run(UtsNamespace(join=first.pid), command=SHOW).stdout.startswith("first\n")
