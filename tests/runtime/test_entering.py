"""Commands in a running container, and containers that wait before their command."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from haconiwa_ns_pid import PidNamespace
from haconiwa_rlimit import Rlimit
from haconiwa_runtime import AsyncRuntime, PayloadError, Runtime

from haconiwa_core import Container, DefinitionError, RecordError, SetupError
from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

BOX = Container("box", ["sleep", "600"], [PidNamespace(), Rlimit(nofile=77)], env={"A": "1"})


@pytest.fixture
def box(runtime):
    return runtime.start(BOX)


def test_a_command_inside(box):
    script = "cat; ulimit -n; echo $A$B; pwd; echo err >&2; exit 6"
    result = box.exec(["sh", "-c", script], input=b"in\n", env={"B": "2"}, workdir="/tmp")
    assert (result.exit_status, result.reason, result.stderr) == (6, "exited", b"err\n")
    assert result.stdout == b"in\n77\n12\n/tmp\n"
    assert box.state == "running"


def test_a_timeout_kills_the_command_and_not_the_container(box):
    result = box.exec(["sh", "-c", "echo begun; sleep 600"], timeout=0.3)
    assert (result.reason, result.exit_status, result.stdout) == ("timeout", 137, b"begun\n")
    assert box.state == "running"
    assert box.exec(["yes"], max_output=4).reason == "output-limit"
    assert box.exec(["true"], check=True).exit_status == 0
    with pytest.raises(PayloadError):
        box.exec(["false"], check=True)


def test_what_cannot_be_executed(box):
    with pytest.raises(SetupError) as caught:
        box.exec(["/no/such"])
    assert caught.value.exit_status == 127
    with pytest.raises(DefinitionError):
        box.exec(["true"], workdir="tmp")


def test_nothing_enters_what_has_ended(box):
    box.stop(0)
    with pytest.raises(SetupError, match="ESRCH"):
        box.exec(["true"])


def test_a_command_does_not_hold_up_the_end_of_its_container(box, tmp_path):
    begun = tmp_path / "begun"
    with ThreadPoolExecutor() as pool:
        entered = pool.submit(box.exec, ["sh", "-c", f"touch {begun}; sleep 600"])
        try:
            while not begun.exists():
                assert not entered.done()
                time.sleep(0.01)
        finally:
            box.stop(0)
        assert entered.result(timeout=20).exit_status == 137


def test_created_and_started_later(runtime, store):
    created = runtime.create(Container("held", ["sh", "-c", "echo now; exit 5"]))
    assert store.read("held").status == "created"
    runtime._launcher.close()
    running = created.start()
    assert (running.name, running.pid) == ("held", created.pid)
    assert running.wait() == 5
    assert running.logs() == b"now\n"
    with pytest.raises(RecordError, match="before"):
        created.start()


def test_created_and_given_up(runtime, store):
    runtime.create(BOX).remove()
    assert store.names() == []
    left = runtime.create(BOX)
    runtime.close()
    assert store.names() == []
    with pytest.raises(RecordError, match="before"):
        left.start()


def test_a_start_with_hooks_is_not_held(runtime, store):
    """They would not run."""
    hooked = Container("held", ["true"])
    hooked.on("before_start")(lambda c: None)
    with pytest.raises(DefinitionError, match="held has hooks"):
        runtime.create(hooked)
    assert store.names() == []


def test_created_whose_command_is_not_there(runtime, store):
    created = runtime.create(Container("held", ["/no/such"]))
    with pytest.raises(SetupError):
        created.start()
    assert store.names() == []


def test_awaited(store):
    async def scenario():
        async with AsyncRuntime(Runtime(store=store)) as runtime:
            box = await (await runtime.create(BOX)).start()
            result = await box.exec(["sh", "-c", "cat; exit 3"], input=b"x")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await box.exec(["sleep", "600"])
            assert box.state == "running"
            await (await runtime.create(BOX, name="other")).remove()
            return result

    result = asyncio.run(scenario())
    assert (result.exit_status, result.stdout) == (3, b"x")
    assert store.names() == []
