"""Containers that are started again: by their policy, by a request, and what lasts beyond that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ENDING = 'web = Container("web", ["sh", "-c", {script!r}], features=[Supervision({options})])\n'


def begin(house, story, script, options="", hooks="", *more):
    """Start a container in the background."""
    if house.process is None:
        house.open()
    file = story.tell(ENDING.format(script=script, options=options) + hooks)
    done = house.run("run", "-d", "--name", "web", *more, file)
    assert done.returncode == 0, done.stderr


def told(house, event):
    return [each for each in house.events("web") if each["event"] == event]


def ended_for_good(house):
    """Return whether nobody keeps the container any more."""
    claim = house.store.take_over("web")
    if claim:
        claim.release()
    return claim is not None


@pytest.mark.parametrize(
    ("policy", "status", "starts"),
    [
        ("no", 0, 1),
        ("no", 1, 1),
        ("on-failure", 0, 1),
        ("on-failure", 1, 4),
        ("always", 0, 4),
        ("always", 1, 4),
    ],
)
def test_a_policy_and_its_limit(house, story, policy, status, starts):
    begin(house, story, f"exit {status}", f"restart='{policy}', restart_limit=3, restart_delay=0.01")
    house.until(lambda: ended_for_good(house))
    assert [event["restarts"] for event in told(house, "started")] == list(range(starts))
    assert [event["exit_status"] for event in told(house, "exited")] == [status] * starts
    assert len(told(house, "given up")) == (starts > 1)
    assert house.record("web").exit_status == status
    assert house.faults() == []


def test_the_delay_grows_to_its_limit(house, story):
    begin(house, story, "exit 1", "restart='always', restart_limit=6, restart_delay=0.02, restart_delay_most=0.2")
    house.until(lambda: ended_for_good(house))
    delays = [event["seconds"] for event in told(house, "restarting")]
    assert delays == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.2, 0.2])
    ends, starts = ([event["time"] for event in told(house, what)] for what in ("exited", "started"))
    for end, start, delay in zip(ends, starts[1:], delays, strict=False):
        assert start - end >= delay - 0.01


def test_who_has_run_for_long_begins_anew(house, story):
    options = "restart='always', restart_limit=2, restart_delay=0.02, restart_reset=0.5"
    script = f"n=$(cat {story.file.parent}/n 2>/dev/null || echo 0); echo $((n + 1)) > {story.file.parent}/n; "
    # The third runs for longer than that.
    begin(house, story, f"{script} [ $n = 2 ] && sleep 1; exit 1", options)
    house.until(lambda: ended_for_good(house))
    assert [event["seconds"] for event in told(house, "restarting")] == pytest.approx([0.02, 0.04, 0.02, 0.04])
    assert len(told(house, "given up")) == 1


def test_a_limit_of_none(house, story):
    begin(house, story, "exit 1", "restart='always', restart_limit=0, restart_delay=0, restart_delay_most=0")
    house.until(lambda: len(told(house, "started")) > 30)
    house.ask("stop", name="web", timeout=0)
    count = len(told(house, "started"))
    time.sleep(0.5)
    assert len(told(house, "started")) == count


@pytest.mark.parametrize("how", ["stop", "rm", "retire"])
def test_one_that_waits_for_its_restart_can_be_ended(house, story, how):
    begin(house, story, "exit 7", "restart='always', restart_delay=600, restart_delay_most=600")
    house.until(lambda: house.ask("inspect", name="web")["status"] == "restarting")
    if how == "rm":
        assert house.run("rm", "--force", "web").returncode == 0
        assert house.store.names() == []
    elif how == "stop":
        assert house.run("stop", "web").returncode == 0
        assert house.record("web").exit_status == 7
    else:
        house.ask("retire", name="web")
        house.until(lambda: ended_for_good(house))
    assert len(told(house, "started")) == 1


def test_one_that_waits_for_its_restart_can_be_restarted_at_once(house, story):
    begin(
        house,
        story,
        f"[ -e {story.file.parent}/second ] && exec sleep 600; touch {story.file.parent}/second; exit 1",
        "restart='always', restart_delay=600, restart_delay_most=600",
    )
    house.until(lambda: house.ask("inspect", name="web")["status"] == "restarting")
    assert house.run("restart", "web").stderr == ""
    assert house.is_alive(house.first("web"))
    house.ask("stop", name="web", timeout=0)


class TestByRequest:
    def test_it_has_another_process_and_the_same_name_and_store(self, house, story):
        begin(
            house,
            story,
            "exec sleep 600",
            hooks="""
@web.on("after_start")
def count(c):
    c.store["starts"] = c.store.get("starts", 0) + 1
web.after(0.1)(lambda c: say(c, "after"))
web.every(0.1, limit=2)(lambda c: say(c, "every"))
for event in ("before_stop", "after_exit", "teardown", "before_start", "after_ready"):
    web.on(event)(lambda c: say(c))
""",
        )
        house.until(lambda: len(story.told("every")) == 2)
        first = house.first("web")
        for starts in (2, 3):
            done = house.run("restart", "web", "-t", "5")
            assert (done.returncode, done.stderr) == (0, "")
            second = house.first("web")
            assert second != first
            assert not house.is_alive(first)
            first = second
            house.until(lambda starts=starts: house.ask("inspect", name="web")["store"] == {"starts": starts})
            # Timers begin anew.
            house.until(lambda starts=starts: len(story.told("every")) == 2 * starts)
            house.until(lambda starts=starts: len(story.told("after")) == starts)
        one_more = ["before_stop", "after_exit", "teardown", "before_start", "after_ready"]
        assert story.order(*one_more) == ["before_start", "after_ready", *one_more * 2]
        assert house.ask("inspect", name="web")["restarts"] == 2
        house.ask("stop", name="web", timeout=0)
        assert house.faults() == []

    def test_one_that_does_not_end_by_itself_is_killed(self, house, story):
        begin(house, story, "trap '' TERM; while :; do sleep 0.1; done")
        first = house.first("web")
        assert house.run("restart", "web", "-t", "0.5").returncode == 0
        assert house.first("web") != first
        assert told(house, "exited")[0]["exit_status"] == 128 + signal.SIGKILL
        house.ask("stop", name="web", timeout=0)

    def test_one_that_has_ended_is_started_again(self, house, story):
        """Also by another supervisor, with its store, its hooks, and its policy."""
        begin(
            house,
            story,
            "exec sleep 600",
            hooks="""
@web.on("after_start")
def count(c):
    c.store["starts"] = c.store.get("starts", 0) + 1
for event in ("file_setup", "file_teardown"):
    web.on(event)(lambda c: say(c))
""",
        )
        house.until(lambda: house.ask("inspect", name="web")["store"] == {"starts": 1})
        house.run("stop", "web")
        house.until(lambda: story.order() == ["file_setup", "file_teardown"])
        assert house.run("restart", "web").stderr == ""
        house.until(lambda: house.ask("inspect", name="web")["store"] == {"starts": 2})
        house.run("stop", "web")
        house.until(lambda: story.order() == ["file_setup", "file_teardown"] * 2)
        house.close()
        house.open()
        assert house.run("restart", "web").stderr == ""
        house.until(lambda: house.ask("inspect", name="web")["store"] == {"starts": 3})
        assert house.run("logs", "web").returncode == 0
        house.run("stop", "web")
        assert house.faults() == []

    def test_a_supervisor_is_started_for_that(self, house, story):
        begin(house, story, "exec sleep 600")
        house.run("stop", "web")
        house.close()
        assert house.run("restart", "web").stderr == ""
        assert house.is_alive(house.first("web"))
        assert house.run("rm", "--force", "web").returncode == 0

    def test_who_cannot_be_restarted(self, house, story):
        house.open()
        done = house.run("restart", "nobody")
        assert done.returncode != 0
        assert "no container named nobody" in done.stderr
        begin(house, story, "exec sleep 600", "", 'web.on("before_stop")(lambda c: time.sleep(2))\n')
        with house.command("stop", "web") as stopping:
            house.until(lambda: house.ask("inspect", name="web")["status"] == "stopping")
            done = house.run("restart", "web")
            assert "the container web is stopping" in done.stderr
            stopping.wait(30)

    def test_one_that_cannot_be_started_again_keeps_its_record(self, house, story, tmp_path):
        program = tmp_path / "program"
        program.write_bytes(Path("/bin/sleep").read_bytes())
        program.chmod(0o755)
        house.open()
        file = story.tell(f"""
web = Container("web", [{str(program)!r}, "600"])
for event in ("after_exit", "after_failure", "teardown", "file_failure"):
    web.on(event)(lambda c: say(c))
""")
        assert house.run("run", "-d", "--name", "web", file).returncode == 0
        program.unlink()
        done = house.run("restart", "web")
        assert done.returncode == 127
        assert str(program) in done.stderr
        house.until(lambda: ended_for_good(house) and "file_failure" in story.order())
        assert story.order() == ["after_exit", "after_failure", "teardown", "after_failure", "teardown", "file_failure"]
        assert house.record("web").status == "exited"
        program.write_bytes(Path("/bin/sleep").read_bytes())
        program.chmod(0o755)
        assert house.run("restart", "web").stderr == ""
        house.run("stop", "web")

    def test_many_at_once_are_one_after_the_other(self, house, story):
        begin(house, story, "exec sleep 600")
        clients = [house.command("restart", "web", "-t", "5") for _ in range(5)]
        done = [client.communicate(timeout=30)[1] for client in clients]
        assert "" in done
        assert all(not error or "the container web is" in error for error in done)
        assert house.ask("inspect", name="web")["status"] == "running"
        assert len(told(house, "started")) == 1 + done.count("")
        house.ask("stop", name="web", timeout=0)
        assert house.faults() == []

    def test_a_stop_in_the_midst_wins(self, house, story):
        begin(
            house,
            story,
            "exec sleep 600",
            "restart='always'",
            'web.on("before_start")(lambda c: (say(c), time.sleep(1)))\n',
        )
        with house.command("restart", "web") as restarting:
            house.until(lambda: len(story.told()) == 2)
            assert house.run("stop", "web").returncode == 0
            _, error = restarting.communicate(timeout=30)
        assert house.record("web").status == "exited"
        assert ended_for_good(house)
        assert error == "" or "was stopped" in error


def test_what_was_changed_is_as_in_the_definition_again(house, story):
    parent = f"/haconiwa-test-restarts-{os.getpid()}"
    house.open()
    file = story.tell(f"""
from haconiwa_cgroup import Cgroup
web = Container("web", ["sleep", "600"], features=[Cgroup(parent="{parent}", pids=50)])
web.on_call("limit")(lambda c: c.cgroup.pids.max)
""")
    assert house.run("run", "-d", "--name", "web", file).returncode == 0
    try:
        assert house.run("update", "web", "--set", "cgroup.pids=60").returncode == 0
        assert house.ask("call", name="web", command="limit", args={}) == 60
        assert house.run("restart", "web").returncode == 0
        assert house.ask("call", name="web", command="limit", args={}) == 50
        assert house.record("web").container["features"]["cgroup"]["pids"] == 50
    finally:
        house.ask("stop", name="web", timeout=0)
        for path in Path("/sys/fs/cgroup").glob(f"*{parent}"):
            path.rmdir()


def test_streams_of_the_caller_last(house, story):
    """One in the foreground writes to where its client does, however often it is started."""
    house.open()
    script = (
        f"read line; echo $line; [ -e {story.file.parent}/again ] && exit 0; touch {story.file.parent}/again; exit 1"
    )
    file = story.tell(ENDING.format(script=script, options="restart='on-failure', restart_delay=0.01"))
    with house.command("run", "--rm", file, stdin=subprocess.PIPE) as client:
        out, err = client.communicate("one\ntwo\n", timeout=30)
    assert (client.returncode, out, err) == (0, "one\ntwo\n", "")
    assert house.store.names() == []


def test_a_log_goes_on(house, story):
    begin(house, story, "echo one; echo two >&2; exec sleep 600")
    house.run("restart", "web")
    house.until(lambda: house.run("logs", "web").stdout == "one\none\n")
    assert house.run("logs", "web").stderr == "two\ntwo\n"
    house.ask("stop", name="web", timeout=0)


def test_a_hook_can_restart_its_container(house, story):
    begin(
        house,
        story,
        "exec sleep 600",
        hooks="""
@web.after(0.1)
def once(c):
    if "restarted" not in c.store:
        c.store["restarted"] = True
        c.restart()
        c.restart()
""",
    )
    house.until(lambda: len(told(house, "started")) == 2)
    time.sleep(0.5)
    assert len(told(house, "started")) == 2
    house.ask("stop", name="web", timeout=0)
    assert house.faults() == []


def test_a_loop_of_crashes_takes_little_of_the_processor(house, story):
    house.open()
    begin(house, story, "exit 1", "restart='always', restart_limit=0, restart_delay=0.1, restart_delay_most=0.1")
    house.until(lambda: len(told(house, "started")) > 2)

    def used():
        fields = Path(f"/proc/{house.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, count, began = used(), len(told(house, "started")), time.monotonic()
    time.sleep(5)
    seconds, starts = time.monotonic() - began, len(told(house, "started")) - count
    assert starts > 5
    assert (used() - before) / seconds < 0.3
    house.ask("stop", name="web", timeout=0)
