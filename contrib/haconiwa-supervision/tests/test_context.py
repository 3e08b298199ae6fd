"""What a hook receives: what it sees, what it asks the supervisor for, and what it makes of the answers."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from haconiwa_runtime.messages import receive, send
from haconiwa_supervision.hooks.context import Context, Executed, HookError
from haconiwa_supervision.hooks.requests import complaint_about

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux import start_time

SECTIONS = ["cgroup", "no-new-privs"]
USAGE = {"memory": {"current": 4096, "max": 8192}, "pids": {"current": 1}, "frozen": False}


class Asked(list[dict[str, Any]]):
    """The requests that came, in order."""


@contextmanager
def answered(
    answer: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda _: {"value": None}, **facts: Any
) -> Iterator[tuple[Context, Asked]]:
    """Give a context whose requests a thread answers, if they are as they must be."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked = Asked()

    def serve() -> None:
        while message := receive(ours):
            asked.append(message.content)
            complaint = complaint_about(message.content)
            send(ours, {"error": {"kind": "ValueError", "text": complaint}} if complaint else answer(message.content))

    thread = Thread(target=serve)
    thread.start()
    try:
        yield Context(theirs, {"name": "web-1", "sections": SECTIONS, **facts}), asked
    finally:
        theirs.close()
        thread.join()
        ours.close()


def test_a_hook_sees_what_the_container_is() -> None:
    facts = {"pid": 7, "state": "running", "event": {"kind": "on", "event": "oom"}, "ready": True, "exit_status": 3}
    with answered(**facts, args={"n": "2"}, reason="oom") as (c, asked):
        seen = (c.name, c.pid, c.state, c.event["event"], c.ready, c.exit_status, c.args, c.reason)
        assert seen == ("web-1", 7, "running", "oom", True, 3, {"n": "2"}, "oom")
    assert asked == []


def test_before_there_is_a_process_there_is_nothing_to_see_of_it() -> None:
    with answered() as (c, _):
        assert (c.pid, c.exit_status, c.ready, c.reason, c.args) == (0, None, False, "", {})
        with pytest.raises(ProcessLookupError):
            c.open_pidfd()


def test_a_section_is_read_anew_each_time() -> None:
    values = iter((1, 2))

    def answer(request: dict[str, Any]) -> Mapping[str, Any]:
        return {"value": {"memory": {"current": next(values)}}}

    with answered(answer) as (c, asked):
        assert [c.cgroup.memory.current, c.cgroup.memory.current] == [1, 2]
    assert asked == [{"ask": "status", "section": "cgroup"}] * 2


def test_what_was_read_is_a_mapping_as_well() -> None:
    with answered(lambda _: {"value": USAGE}) as (c, _):
        cgroup = c.cgroup
        assert cgroup["memory"]["max"] == cgroup.memory.max == 8192
        assert list(cgroup) == ["memory", "pids", "frozen"]
        assert dict(cgroup.pids) == {"current": 1}
        assert {"memory", "frozen"} <= set(dir(cgroup))


def test_what_is_not_there_is_named_with_what_is() -> None:
    with answered(lambda _: {"value": USAGE}) as (c, asked):
        with pytest.raises(AttributeError, match=r"'cgrup'.*cgroup, no-new-privs"):
            _ = c.cgrup
        assert asked == []
        with pytest.raises(AttributeError, match=r"cgroup has no 'memry'; there is frozen, memory, pids"):
            _ = c.cgroup.memry
        with pytest.raises(AttributeError, match=r"cgroup\.memory has no 'now'; there is current, max"):
            _ = c.cgroup.memory.now


def test_a_dash_in_a_section_is_an_underscore_here() -> None:
    with answered(lambda _: {"value": {"in_force": True}}) as (c, asked):
        assert c.no_new_privs.in_force is True
        c.update(no_new_privs={"x": 1}, cgroup={"memory": "1M"})
        assert {"cgroup", "no_new_privs"} <= set(dir(c))
    assert asked == [
        {"ask": "status", "section": "no-new-privs"},
        {"ask": "update", "sections": {"no-new-privs": {"x": 1}, "cgroup": {"memory": "1M"}}},
    ]


def test_a_section_of_which_nothing_is_known_has_no_attributes() -> None:
    with answered() as (c, _):
        assert not hasattr(c, "cgroup")
        with pytest.raises(AttributeError, match="not running"):
            _ = c.cgroup


@pytest.mark.parametrize("given", ["USR1", "SIGUSR1", signal.SIGUSR1, int(signal.SIGUSR1)])
def test_a_signal_is_sent_by_name_or_number(given: str | int) -> None:
    with answered() as (c, asked):
        c.signal(given)
    assert asked == [{"ask": "signal", "signal": signal.SIGUSR1.value}]


def test_a_signal_that_there_is_not_is_refused() -> None:
    with answered() as (c, asked):
        with pytest.raises(ValueError, match="USR7"):
            c.signal("USR7")
        assert asked == []
        with pytest.raises(HookError, match="wrong signal"):
            c.signal(4000)


def test_stop_restart_kill_and_cancel_are_asked_for() -> None:
    with answered() as (c, asked):
        c.stop()
        c.stop(timeout=0.5)
        c.restart()
        c.kill()
        c.cancel()
    assert asked == [
        {"ask": "stop", "timeout": None},
        {"ask": "stop", "timeout": 0.5},
        {"ask": "restart"},
        {"ask": "kill"},
        {"ask": "cancel"},
    ]


def test_a_command_is_executed_and_its_output_is_bytes() -> None:
    written = bytes(range(256))
    with answered(lambda _: {"value": Executed(3, written, b"no\n").to_json()}) as (c, asked):
        assert c.exec(["cat"], env={"A": "b"}, input=b"\0\xff") == Executed(3, written, b"no\n", cut=False)
        with pytest.raises(HookError, match=r"cat has ended with status 3: no") as caught:
            c.exec(["cat"], check=True)
    assert caught.value.kind == "ExitStatus"
    assert asked[0] == {
        "ask": "exec",
        "command": ["cat"],
        "env": {"A": "b"},
        "workdir": None,
        "input": "AP8=",
        "timeout": None,
    }


def test_output_of_a_command_that_is_too_long_is_cut_and_says_so() -> None:
    with answered(lambda _: {"value": Executed(0, b"x" * (3 << 20), b"").to_json()}) as (c, _):
        executed = c.exec(["yes"])
    assert (len(executed.stdout), executed.cut) == (1 << 20, True)


def test_messages_for_the_log_have_values_that_json_has() -> None:
    with answered() as (c, asked):
        c.log.info("a", n=1, path=os.PathLike)
        c.log.warning("b")
        c.log.error("c", ok=False)
    assert [(each["level"], each["message"]) for each in asked] == [("info", "a"), ("warning", "b"), ("error", "c")]
    assert asked[0]["values"] == {"n": 1, "path": str(os.PathLike)}
    assert asked[2]["values"] == {"ok": False}


def test_the_store_is_a_mapping() -> None:
    kept: dict[str, Any] = {}

    def answer(request: dict[str, Any]) -> Mapping[str, Any]:
        match request["ask"]:
            case "store_set":
                kept[request["key"]] = request["value"]
            case "store_keys":
                return {"value": list(kept)}
            case _ if request["key"] not in kept:
                return {"error": {"kind": "KeyError", "text": repr(request["key"])}}
            case "store_get":
                return {"value": kept[request["key"]]}
            case "store_delete":
                del kept[request["key"]]
        return {"value": None}

    with answered(answer) as (c, _):
        c.store["a"] = {"n": [1, None, "x"]}
        c.store["b"] = 2
        assert c.store["a"] == {"n": [1, None, "x"]}
        assert (list(c.store), len(c.store), "b" in c.store, "z" in c.store) == (["a", "b"], 2, True, False)
        del c.store["a"]
        assert c.store.get("a", "gone") == "gone"
        with pytest.raises(KeyError, match="nothing"):
            c.store["nothing"]
        with pytest.raises(KeyError, match="nothing"):
            del c.store["nothing"]
    assert kept == {"b": 2}


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), {"in": {3}}])
def test_the_store_takes_only_what_json_has(value: object) -> None:
    with answered() as (c, asked), pytest.raises(TypeError):
        c.store["a"] = value
    assert asked == []


def test_a_name_in_the_store_is_a_string() -> None:
    with answered() as (c, asked), pytest.raises(TypeError, match="is a str"):
        c.store[1] = 2  # type: ignore[index]
    assert asked == []


def test_what_is_refused_is_raised_with_its_reason() -> None:
    error = {"kind": "DefinitionError", "text": "cgroup.memory: must be a size"}
    with answered(lambda _: {"error": error}) as (c, _), pytest.raises(HookError) as caught:
        c.update(cgroup={"memory": "much"})
    assert isinstance(caught.value, HaconiwaError)
    assert (caught.value.kind, str(caught.value)) == ("DefinitionError", "cgroup.memory: must be a size")


def test_without_a_supervisor_nothing_is_answered() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    with theirs, pytest.raises(HookError, match="does not listen"):
        Context(theirs, {}).kill()


def test_threads_get_their_own_answers() -> None:
    with answered(lambda request: {"value": request["key"]}) as (c, _):
        got: dict[str, list[str]] = {}

        def ask(name: str) -> None:
            got[name] = [c.store[name] for _ in range(200)]

        threads = [Thread(target=ask, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == {name: [name] * 200 for name in "abcd"}


def test_the_first_process_can_be_opened_while_it_is_the_one_that_was_meant() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        started = start_time(process.pid)
        with answered(pid=process.pid, started=started) as (c, _):
            pidfd = c.open_pidfd()
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            assert select.select([pidfd], [], [], 10)[0]
            os.close(pidfd)
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            with answered(pid=other.pid, started=started - 1) as (c, _), pytest.raises(ProcessLookupError):
                c.open_pidfd()
        finally:
            other.kill()


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"ask": 1},
        {"ask": ["stop"]},
        {"ask": "stpo"},
        {"ask": "stop"},
        {"ask": "stop", "timeout": True},
        {"ask": "stop", "timeout": -1},
        {"ask": "stop", "timeout": float("nan")},
        {"ask": "stop", "timeout": 1, "more": 1},
        {"ask": "kill", "more": 1},
        {"ask": "signal", "signal": "USR1"},
        {"ask": "signal", "signal": True},
        {"ask": "update", "sections": {"cgroup": 1}},
        {"ask": "update", "sections": []},
        {"ask": "exec", "command": [], "env": {}, "workdir": None, "input": None, "timeout": None},
        {"ask": "exec", "command": ["a", 1], "env": {}, "workdir": None, "input": None, "timeout": None},
        {"ask": "exec", "command": ["a"], "env": {"a": 1}, "workdir": None, "input": None, "timeout": None},
        {"ask": "exec", "command": ["a"], "env": {}, "workdir": None, "input": "%", "timeout": None},
        {"ask": "log", "level": "loud", "message": "", "values": {}},
        {"ask": "log", "level": ["info"], "message": "", "values": {}},
        {"ask": "store_get", "key": None},
    ],
)
def test_a_request_that_is_not_as_it_must_be_is_complained_about(request_: dict[str, Any]) -> None:
    assert complaint_about(request_)
