"""What is asked of a running container: changes, commands in it, signals and calls of its hooks."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

from haconiwa_runtime import Runtime

from haconiwa_core.definition.python import read_python


def test_a_change_is_told_whoever_makes_it(house, story):
    file = story.tell("""
from haconiwa_rlimit import Rlimit
web = Container("web", ["sleep", "600"], features=[Rlimit(nofile=100)])
web.on("after_update")(lambda c: say(c, "updated", limit=c.definition["features"]["rlimit"]["nofile"]))
@web.on_call("set")
def change(c):
    c.update(rlimit={"nofile": int(c.args["n"])})
@web.on_call("wrong")
def wrong(c):
    c.update(rlimit={"nofiles": 3})
""")
    assert house.start_file(file).returncode == 0
    assert house.run("update", "web", "--set", "rlimit.nofile=90").returncode == 0
    house.until(lambda: len(story.told()) == 1)
    assert house.run("call", "web", "set", "--arg", "n=80").returncode == 0
    house.until(lambda: len(story.told()) == 2)
    house.ask("update", name="web", sections={"rlimit": {"nofile": 70}})
    house.until(lambda: len(story.told()) == 3)
    assert "nofiles" in house.run("call", "web", "wrong").stderr
    assert [each["limit"] for each in story.told()] == [90, 80, 70]
    house.ask("stop", name="web", timeout=0)


class TestProcessesThatAreAdded:
    def test_by_a_hook_or_a_command_but_not_by_a_hook_about_that(self, house, story):
        file = story.tell("""
web = Container("web", ["sleep", "600"])
@web.on("after_attach")
def attached(c):
    say(c, command=c.event["command"])
    say(c, "inner", output=c.exec(["echo", "again"]).stdout.decode())
@web.on_call("look")
def look(c):
    return c.exec(["sh", "-c", "read line; echo $line $X; exit 3"], input=b"in\\n", env={"X": "x"}).exit_status
""")
        assert house.start_file(file).returncode == 0
        assert house.run("call", "web", "look").stdout == "3\n"
        assert house.run("exec", "web", "--", "echo", "by hand").stdout == "by hand\n"
        house.until(lambda: len(story.told("inner")) == 2)
        time.sleep(0.5)
        assert [each["command"][0] for each in story.told("after_attach")] == ["sh", "echo"]
        assert [each["output"] for each in story.told("inner")] == ["again\n"] * 2
        house.ask("stop", name="web", timeout=0)

    def test_by_the_program_that_has_started_it(self, house, story):
        file = story.tell("""
web = Container("web", ["sleep", "600"])
@web.on("after_attach")
def attached(c):
    say(c, command=c.event["command"])
""")
        (web,) = read_python(file)
        house.open()
        with Runtime(store=house.store) as runtime:
            running = runtime.start(web)
            assert running.exec(["echo", "here"]).stdout == b"here\n"
            house.until(lambda: story.told("after_attach"))
            assert story.told("after_attach")[0]["command"] == ["echo", "here"]

    def test_one_that_is_not_waited_for_any_more_is_killed(self, house, story, tmp_path):
        """However many there are, nothing else waits for them."""
        file = story.tell(f"""
web = Container("web", ["sleep", "600"])
@web.on_call("hang", timeout=1)
def hang(c):
    c.exec(["sh", "-c", "while :; do sleep 0.1; done # hangs in {tmp_path}"])
web.on_call("quick")(lambda c: c.exec(["echo", "quick"]).stdout.decode())
""")
        assert house.start_file(file).returncode == 0
        with ThreadPoolExecutor(50) as pool:
            results = [pool.submit(house.run, "call", "web", "hang") for _ in range(40)]
            assert house.run("call", "web", "quick").stdout == "quick\n\n"
            assert {result.result().returncode for result in results} == {125}
        house.until(lambda: not [line for line in house.processes() if "hangs in" in line])
        house.ask("stop", name="web", timeout=0)


def test_calls_and_signals_all_run_however_many_there_are(house, story):
    file = story.tell("""
web = Container("web", ["sleep", "600"])
@web.on_signal("USR1")
def usr(c):
    say(c, "signal", number=c.event["number"])
@web.on_call("add")
def add(c):
    say(c, "call")
    return {"sum": int(c.args["a"]) + int(c.args["b"]), "text": c.args["text"]}
""")
    assert house.start_file(file).returncode == 0
    with ThreadPoolExecutor(60) as pool:
        args = {"a": "1", "b": "2", "text": "ü = 3"}
        calls = [pool.submit(house.ask, "call", name="web", command="add", args=args) for _ in range(150)]
        signals = [pool.submit(house.ask, "signal", name="web", signal="SIGUSR1") for _ in range(150)]
        assert all(call.result(60) == {"sum": 3, "text": "ü = 3"} for call in calls)
        assert all(each.result(60) is None for each in signals)
    assert (len(story.told("call")), len(story.told("signal"))) == (150, 150)
    assert {each["number"] for each in story.told("signal")} == {int(signal.SIGUSR1)}
    hooks = house.ask("inspect", name="web")["hooks"]
    assert (hooks["usr"]["runs"], hooks["add"]["runs"]) == (150, 150)
    house.ask("stop", name="web", timeout=0)


def test_signals_and_calls_from_the_command_line(house, story):
    file = story.tell("""
web = Container("web", ["sleep", "600"])
for name in ("SIGHUP", "INT", "TERM", "SIGRTMIN", "WINCH", "CHLD"):
    web.on_signal(name, name=name)(lambda c: say(c, c.event["signal"]))
web.on_call("text")(lambda c: "a\\tb")
web.on_call("nothing")(lambda c: None)
web.on_call("list")(lambda c: [1, {"a": None}])
@web.on_call("fail")
def fail(c):
    raise ValueError("no good")
""")
    assert house.start_file(file).returncode == 0
    for name in ("HUP", "sigint", "TERM", "RTMIN", "WINCH", "SIGCHLD"):
        assert house.run("signal", "web", name).returncode == 0
    assert story.order() == ["SIGHUP", "SIGINT", "SIGTERM", "SIGRTMIN", "SIGWINCH", "SIGCHLD"]
    assert house.is_alive(house.first("web"))
    assert house.run("call", "web", "text").stdout == "a\tb\n"
    assert house.run("call", "web", "nothing").stdout == ""
    assert house.run("call", "web", "list").stdout.split() == ["[", "1,", "{", '"a":', "null", "}", "]"]
    for arguments, error in (
        (("call", "web", "fail"), "ValueError: no good"),
        (("call", "web", "other"), "it has fail, list, nothing, text"),
        (("call", "nobody", "text"), "no container named nobody"),
        (("signal", "web", "USR2"), "haconiwa kill -s SIGUSR2 web"),
        (("signal", "web", "KILL"), "SIGKILL is no signal that can be caught"),
        (("signal", "nobody", "HUP"), "no container named nobody"),
    ):
        done = house.run(*arguments)
        assert done.returncode != 0
        assert error in done.stderr
    house.ask("stop", name="web", timeout=0)


def test_no_signal_is_blocked_or_ignored_inside(house, story):
    """Of the supervisor's own mask, and of its caller's, nothing gets in."""
    file = story.tell("""
web = Container("web", ["sh", "-c", "grep -E '^Sig(Blk|Ign)' /proc/self/status; exec sleep 600"], stdout="log")
web.on_call("look")(lambda c: c.exec(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]).stdout.decode())
""")

    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGCHLD, signal.SIGRTMIN])
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    house.open(preexec_fn=block)
    assert house.run("run", "-d", "--name", "web", file, preexec_fn=block).returncode == 0
    empty = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
    house.until(lambda: house.run("logs", "web").stdout == empty)
    assert house.run("call", "web", "look").stdout == f"{empty}\n"
    assert house.run("exec", "web", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status").stdout == empty
    house.ask("stop", name="web", timeout=0)


def test_a_hook_that_is_cancelled_does_not_run_again(house, story):
    file = story.tell("""
web = Container("web", ["sleep", "600"])
@web.on_call("once")
def once(c):
    c.cancel()
    return "ran"
@web.on("after_start")
def first_start_only(c):
    say(c)
    c.cancel()
@web.every(0.05)
def three_times(c):
    c.store["n"] = c.store.get("n", 0) + 1
    if c.store["n"] == 3:
        c.cancel()
""")
    assert house.start_file(file).returncode == 0
    assert house.ask("call", name="web", command="once", args={}) == "ran"
    assert "has no command 'once'" in house.run("call", "web", "once").stderr
    house.until(lambda: house.ask("inspect", name="web")["store"].get("n") == 3)
    house.ask("restart", name="web", timeout=0)
    time.sleep(0.5)
    assert house.ask("inspect", name="web")["store"] == {"n": 3}
    assert len(story.told()) == 1
    house.ask("stop", name="web", timeout=0)
