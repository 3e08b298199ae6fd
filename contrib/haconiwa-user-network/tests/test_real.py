import os
from pathlib import Path

import pytest
from haconiwa_user_network import UserNetwork

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import Namespace
from haconiwa_core.host import gather
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.linux import end_own_process, own_process_log, start_own_process, start_time
from haconiwa_core.linux.constants import CLONE_NEWNET, CLONE_NEWNS
from haconiwa_core.runtime.record import Process
from haconiwa_core.testing import all_plugins, needs_program, needs_root, plan_of, run, started

pytestmark = [needs_root, needs_program("slirp4netns")]

FACTS = (Namespace("net", CLONE_NEWNET), Namespace("mnt", CLONE_NEWNS))


def test_its_files_are_its_own_and_read_only() -> None:
    before = Path("/etc/resolv.conf").read_text(), Path("/etc/hosts").read_text()
    feature = UserNetwork(dns=["192.0.2.53"], hosts=["db:10.0.2.2"])
    script = "cat /etc/resolv.conf /etc/hosts; stat -c %a /etc/hosts; : >> /etc/hosts; ls /etc | wc -l"
    outcome = run(feature, command=["/bin/sh", "-c", f"umask 077; {script}"], facts=FACTS)
    lines = outcome.stdout.splitlines()
    assert lines[0] == "nameserver 192.0.2.53"
    assert {"10.0.2.100 test", "10.0.2.2 db", "644"} <= set(lines)
    assert "Read-only file system" in outcome.stderr
    # The rest of the folder is seen again.
    assert int(lines[-1]) > 2
    assert (Path("/etc/resolv.conf").read_text(), Path("/etc/hosts").read_text()) == before


def test_what_is_read_back() -> None:
    feature = UserNetwork(subnet="10.9.0.0/16")
    with started(feature, facts=FACTS) as running, Confined(Process(running.pid, start_time(running.pid))) as confined:
        plan = plan_of(feature, facts=FACTS, host=gather())
        found = {row.what: row for row in all_plugins().isolation(feature.section, feature, plan, confined)}
    address, gateway = found["address of eth0"], found["gateway"]
    assert (address.asked, address.in_force, address.state) == ("10.9.0.100/16", "10.9.0.100/16", "holds")
    assert (gateway.asked, gateway.in_force, gateway.state) == ("10.9.0.2", "10.9.0.2", "holds")


def test_a_helper_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError) as caught:
        run(UserNetwork(), command=["/bin/true"], facts=FACTS)
    told = 'ENOENT (slirp4netns is not installed); install the package slirp4netns, or set helper = "pasta"'
    assert str(caught.value).endswith(told)


def test_a_process_ends_only_if_it_is_the_one_that_was_noted(tmp_path: Path) -> None:
    directory = str(tmp_path)
    end_own_process("other", directory)
    os.close(start_own_process(["sh", "-c", "echo begun; exec sleep 600"], "one", directory))
    note = tmp_path / "process-one"
    pid, began = map(int, note.read_text().split())
    assert start_time(pid) == began
    note.write_text(f"{pid} {began + 1}")
    end_own_process("one", directory)
    assert start_time(pid) == began
    note.write_text(f"{pid} {began}")
    end_own_process("one", directory)
    assert start_time(pid) == 0
    assert not note.exists()
    note.touch()  # As a crash may leave it.
    end_own_process("one", directory)
    assert not note.exists()
    assert own_process_log("one", directory).exists()
