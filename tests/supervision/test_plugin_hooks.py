"""Hooks that a plugin brings for the containers that have its section."""

from __future__ import annotations

import textwrap

PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar
from haconiwa_core.feature import Feature
from haconiwa_core.hooks.hook import Every, Hook, On
from haconiwa_core.plugins.hookspecs import hookimpl

@dataclass(frozen=True, kw_only=True)
class Announce(Feature):
    section: ClassVar[str] = "announce"
    supervised: ClassVar[bool] = True
    stages: ClassVar = ()

@hookimpl
def haconiwa_feature():
    return Announce

@hookimpl
def haconiwa_steps(feature, planning):
    return ()

@hookimpl
def haconiwa_hooks(feature):
    for event in ("after_start", "after_exit", "before_exec"):
        yield Hook(event, On(event), "announce_plugin:announce", "veto" if event == "before_exec" else "warn")
    yield Hook("again", Every(0.05, limit=2), "announce_plugin:announce")

def announce(c):
    with open(os.environ["ANNOUNCED"], "a") as file:
        file.write(f"plugin {c.event.get('event', 'every')}\\n")
"""


def test_hooks_of_plugins_run_before_those_of_the_definition(house, story, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    announced = tmp_path / "announced"
    (folder / "announce_plugin.py").write_text(f"import os\nos.environ['ANNOUNCED'] = {str(announced)!r}\n{PLUGIN}")
    information = folder / "announce_plugin-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: announce-plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[haconiwa.v1.features]\nannounce = announce_plugin\n")
    house.site = [folder]
    file = story.tell(
        textwrap.dedent(f"""
        from announce_plugin import Announce
        web = Container("web", ["sleep", "600"], features=[Announce()])
        def own(c):
            with open({str(announced)!r}, "a") as file:
                file.write("own " + c.event["event"] + "\\n")
        for event in ("before_exec", "after_start", "after_exit"):
            web.on(event)(own)
        """)
    )
    house.open()
    assert house.run("run", "-d", "--name", "web", file).stderr == ""
    house.until(lambda: announced.read_text().count("every") == 2)
    assert {name for name in house.ask("inspect", name="web")["hooks"] if ":" in name} == {
        f"announce:{name}" for name in ("after_start", "after_exit", "before_exec", "again")
    }
    house.ask("stop", name="web", timeout=0)
    lines = [line for line in announced.read_text().splitlines() if "every" not in line]
    assert lines == [
        f"{who} {event}" for event in ("before_exec", "after_start", "after_exit") for who in ("plugin", "own")
    ]


def test_hooks_of_a_definition_that_is_no_program_are_those_of_plugins(house, tmp_path):
    """A definition without hooks of its own needs no worker."""
    file = tmp_path / "web.toml"
    file.write_text('command = ["sleep", "600"]\n[supervision]\n')
    house.open()
    assert house.run("run", "-d", "--name", "web", file).returncode == 0
    assert not [line for line in house.processes() if "hooks.worker" in line]
    house.ask("stop", name="web", timeout=0)
