"""What the shells offer: asked as they ask, and in each shell itself, at a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from haconiwa_core.runtime.store import STATE_VARIABLE
from haconiwa_core.testing import needs_program

BIN = Path(sys.executable).parent
COMPLETE = BIN / "haconiwa-complete"


@pytest.fixture
def folder(tmp_path):
    """A folder with definitions, which would end whoever executes them, and with records of containers beside it."""
    work = tmp_path / "work"
    (work / "services").mkdir(parents=True)
    for name in ("web.py", "web.toml", "notes.txt"):
        (work / name).write_text("raise SystemExit('executed')")
    for name in ("one-3f9a", "other"):
        (tmp_path / "state" / name).mkdir(parents=True, mode=0o700)
    (tmp_path / "state").chmod(0o700)
    return work


def environment(folder):
    path = f"{BIN}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder.parent), "TERM": "dumb", STATE_VARIABLE: str(folder.parent / "state")}


def offered(folder, line):
    """Return what is offered at the end of a line."""
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n"}
    more = {"_ARGCOMPLETE_SUPPRESS_SPACE": "1", "_ARGCOMPLETE_COMP_WORDBREAKS": ""}
    answer = folder.parent / "answer"
    command = ["sh", "-c", 'exec "$0" 8>"$1"', COMPLETE, answer]
    variables = {**environment(folder), **asked, **more}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return set(answer.read_text().splitlines())


def installed(group):
    return {item.name for item in entry_points(group=group)}


def test_verbs_of_all_distributions(folder):
    verbs = {name for name in installed("haconiwa.v1.commands") if "." not in name}
    assert offered(folder, "haconiwa ") == verbs | {"run", "plan", "diff", "plugins", "gc", "version"}
    assert offered(folder, "haconiwa ve") >= {"version"}
    assert offered(folder, "haconiwa --d") == {"--debug"}
    assert "completion" in verbs


def test_actions_of_plugins(folder):
    others = {name.partition(".")[2] for name in installed("haconiwa.v1.commands") if name.startswith("plugins.")}
    assert offered(folder, "haconiwa plugins ") == others | {"list", "show", "enable", "disable"}
    assert offered(folder, "haconiwa plugins list --f") == {"--format"}
    assert offered(folder, "haconiwa plugins list --format ") == {"table", "json"}


def test_options_those_of_plugins_among_them(folder):
    options = offered(folder, "haconiwa run --")
    flags = {name.partition(".")[0] for name in installed("haconiwa.v1.flags")}
    assert options >= {"--with", "--set", "--rm", "--env"} | {f"--{name}" for name in flags if len(name) > 1}
    assert offered(folder, "haconiwa run --with") == {"--with", "--without"}
    assert offered(folder, "haconiwa run --rm --without x --de") >= {"--detach", "--debug"}


def test_definitions_and_folders(folder):
    assert offered(folder, "haconiwa run ") == {"web.py", "web.toml", "services/"}
    assert offered(folder, "haconiwa plan --rm w") == {"web.py", "web.toml"}
    assert offered(folder, "haconiwa diff web.py n") <= {"notes.txt"}
    assert offered(folder, f"haconiwa run {folder}/web.t") == {f"{folder}/web.toml"}


def test_features_and_their_options(folder):
    features = installed("haconiwa.v1.features")
    assert offered(folder, "haconiwa run --with ") == features
    assert offered(folder, "haconiwa plugins show ") == features
    assert offered(folder, "haconiwa run --set ") == {f"{name}." for name in features}
    if "rlimit" not in features:
        pytest.skip("haconiwa-rlimit is not installed, whose options are looked at")
    assert offered(folder, "haconiwa run --set rlimit.no") == {"rlimit.nofile="}
    assert offered(folder, "haconiwa run --set=rlimit.no") == {"--set=rlimit.nofile="}
    assert offered(folder, "haconiwa run --set nosuch.") == set()


def test_values_of_flags(folder):
    if "network" not in installed("haconiwa.v1.flags"):
        pytest.skip("haconiwa-ns-net is not installed, whose flag is looked at")
    assert offered(folder, "haconiwa run --network ") == {"none", "host", "container:"}
    assert offered(folder, "haconiwa run --network none w") == {"web.py", "web.toml"}


def test_names_of_containers(folder):
    if "logs" not in installed("haconiwa.v1.commands"):
        pytest.skip("haconiwa-runtime is not installed, whose verbs are looked at")
    for verb in ("logs", "exec", "rm", "stop"):
        assert offered(folder, f"haconiwa {verb} o") == {"one-3f9a", "other"}
    assert offered(folder, "haconiwa rm other o") == {"one-3f9a", "other"}
    if "verify" in installed("haconiwa.v1.commands"):
        assert offered(folder, "haconiwa verify ") == {"one-3f9a", "other", "web.py", "web.toml", "services/"}
    if "cp" in installed("haconiwa.v1.commands"):
        assert offered(folder, "haconiwa cp o") == {"one-3f9a:", "other:"}
        assert offered(folder, "haconiwa cp n") == {"notes.txt"}


def test_the_containers_command_is_the_shells_affair(folder):
    assert offered(folder, "haconiwa run -- w") == set()
    assert offered(folder, "haconiwa run --with x -- haconiwa ") == set()


def test_what_no_parser_takes_does_not_stop_the_rest(folder):
    assert offered(folder, "haconiwa nosuch --") == {"--help", "--debug", "--log-format"}
    assert offered(folder, 'haconiwa run "we') == {"web.py", "web.toml"}
    assert offered(folder, "haconiwa run --format json --s") >= {"--set"}


def test_only_a_shell_asks(folder):
    done = subprocess.run([COMPLETE], env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "haconiwa completion --help" in done.stderr


SETUPS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'PS1="%> "; eval "$(haconiwa completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'PS1="%%> "; autoload -U compinit; compinit -u -D; eval "$(haconiwa completion zsh)"',
    ),
    "fish": (["fish", "--private", "-i"], 'haconiwa completion fish | source; function fish_prompt; echo "%> "; end'),
}


class Terminal:
    """An interactive shell at a terminal of its own."""

    def __init__(self, command, folder):
        self.text = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, environment(folder))

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, text):
        """Read until a text appears after what was expected before."""
        deadline = time.monotonic() + 60
        while text not in self.text:
            ready, _, _ = select.select([self.master], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{text!r} did not appear in {self.text!r}"
            self.text += os.read(self.master, 65536).decode(errors="replace")
        self.text = self.text.partition(text)[2]

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.master)
        os.waitpid(self.pid, 0)


@pytest.mark.parametrize("shell", [pytest.param(name, marks=needs_program(name)) for name in SETUPS])
def test_in_the_shell_itself(shell, folder):
    command, setup = SETUPS[shell]
    terminal = Terminal(command, folder)
    try:
        terminal.type(f"{setup}; echo re''ady\n")
        terminal.expect("ready")
        terminal.expect("> ")
        terminal.type("haconiwa vers\t\n")
        terminal.expect("plugin interface v1")
        terminal.expect("> ")
        terminal.type("haconiwa plan web.t\t\n")
        terminal.expect("web.toml: no valid TOML")
        terminal.expect("> ")
        terminal.type("haconiwa plugins list --format js\t\n")
        terminal.expect("[")
    finally:
        terminal.close()


@needs_program("fish")
def test_fish_shows_what_is_what(folder):
    script = 'haconiwa completion fish | source; complete -C "haconiwa plugins list --l"'
    done = subprocess.run(
        ["fish", "-c", script], cwd=folder, env=environment(folder), capture_output=True, text=True, check=True
    )
    assert "--load\ttry the imports" in done.stdout
