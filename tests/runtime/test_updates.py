"""Running containers are changed, with their records, or left as they were."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from core.support import Sample
from haconiwa_runtime import AsyncRuntime, Runtime

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, HaconiwaError, SetupError
from haconiwa_core.operation import Slot
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import needs_root

pytestmark = needs_root


def write_level(path, level):
    if level == 13:
        raise OSError(errno.EBUSY, "too much is in use")
    Path(path).write_text(str(level))


def dial(name, folder):
    """A plugin whose option is a number in a file."""
    path = str(folder / name)

    @hookimpl
    def haconiwa_update(old, new):
        yield Step(Stage.ADOPT, write_level, path, new.level)

    def steps(feature, _planning):
        of_instance = (name, Slot("directory"))
        undo = Step(Stage.PREPARE, linux.remove_own_file, path, *of_instance)
        yield Step(Stage.PREPARE, linux.create_own_file, path, str(feature.level).encode(), *of_instance, undo=undo)

    return Sample(name, options=[("level", int, 1)], steps=steps, hooks={"haconiwa_update": haconiwa_update})


@pytest.fixture
def dials(tmp_path):
    return [dial("low", tmp_path), dial("tall", tmp_path)]


@pytest.fixture
def runtime(store, dials):
    with Runtime(store=store, plugins=Plugins([sample.installed for sample in dials])) as runtime:
        yield runtime


@pytest.fixture
def running(runtime, dials):
    return runtime.start(Container("web", ["sleep", "1000"], [sample.feature() for sample in dials]))


def levels(tmp_path):
    return [(tmp_path / name).read_text() for name in ("low", "tall")]


def recorded(store):
    return store.read("web").container["features"]


def test_what_changes_is_in_force_and_in_the_record(running, store, tmp_path):
    assert levels(tmp_path) == ["1", "1"]
    running.update(low={"level": 2})
    assert levels(tmp_path) == ["2", "1"]
    assert recorded(store) == {"low": {"level": 2}, "tall": {}}
    running.update(tall={"level": 5})
    assert levels(tmp_path) == ["2", "5"]
    assert recorded(store) == {"low": {"level": 2}, "tall": {"level": 5}}


def test_a_failure_leaves_all_as_it_was(running, store, tmp_path):
    running.update(low={"level": 2})
    with pytest.raises(SetupError) as caught:
        running.update(low={"level": 3}, tall={"level": 13})
    assert (caught.value.plugin, caught.value.stage, caught.value.errno) == ("tall", "update", errno.EBUSY)
    assert "too much is in use" in caught.value.reason
    assert caught.value.cleanup == ()
    assert levels(tmp_path) == ["2", "1"]
    assert recorded(store) == {"low": {"level": 2}, "tall": {}}
    assert running.state == "running"


def test_what_cannot_be_taken_back_is_told(running, store, tmp_path):
    running.update(low={"level": 2})
    os.rename(tmp_path / "low", tmp_path / "away")
    (tmp_path / "low").mkdir()
    with pytest.raises(SetupError) as caught:
        running.update(low={"level": 3}, tall={"level": 4})
    assert len(caught.value.cleanup) == 1
    assert "low: update: write_level" in caught.value.cleanup[0]
    assert recorded(store) == {"low": {"level": 2}, "tall": {}}
    (tmp_path / "low").rmdir()


def test_wrong_values_change_nothing(running, store, tmp_path):
    with pytest.raises(DefinitionError) as caught:
        running.update(low={"level": "high", "levle": 1}, absent={"x": 1})
    assert len(caught.value.problems) == 3
    assert levels(tmp_path) == ["1", "1"]
    assert not (store.directory / "web" / "changes.json").exists()


def test_one_update_comes_after_the_other(running, store, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda level: running.update(low={"level": level}, tall={"level": level}), range(20, 60)))
    low, tall = levels(tmp_path)
    assert low == tall
    assert recorded(store) == {"low": {"level": int(low)}, "tall": {"level": int(low)}}


def test_what_has_ended_cannot_be_updated(running):
    running.kill()
    running.wait()
    with pytest.raises(HaconiwaError, match="not running"):
        running.update(low={"level": 2})


def test_nothing_of_an_update_outlives_the_container(running, store, tmp_path):
    running.update(low={"level": 2})
    running.remove()
    assert store.names() == []
    assert not (tmp_path / "low").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "[1]", "3", '{"low": 3}'])
def test_a_damaged_change_is_told(running, store, content):
    (store.directory / "web" / "changes.json").write_text(content)
    with pytest.raises(HaconiwaError, match="is damaged"):
        running.update(low={"level": 2})


async def updated_from_a_loop(store, dials):
    async with AsyncRuntime(Runtime(store=store, plugins=Plugins([sample.installed for sample in dials]))) as runtime:
        running = await runtime.start(Container("web", ["sleep", "1000"], [sample.feature() for sample in dials]))
        await running.update(low={"level": 7})
        return recorded(store)


def test_from_an_event_loop(store, dials):
    import asyncio

    assert asyncio.run(updated_from_a_loop(store, dials)) == {"low": {"level": 7}, "tall": {}}
