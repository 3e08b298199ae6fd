"""The command line: exit statuses, messages, and what is printed."""

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version

import pytest
from core.support import haconiwa, session

from haconiwa_core.cli.output import print_line, print_table
from haconiwa_core.testing import host

STATUSES = [
    (["true"], 0),
    (["sh", "-c", "exit 42"], 42),
    (["sh", "-c", "exit 255"], 255),
    *((["sh", "-c", f"kill -{number.value} $$"], 128 + number) for number in (signal.SIGTERM, signal.SIGKILL)),
    (["/nonexistent/program"], 127),
    (["nonexistent-program"], 127),
    (["/etc/passwd/program"], 127),
    (["/etc"], 126),
    (["/etc/passwd"], 126),
]


@pytest.mark.parametrize(("command", "status"), STATUSES, ids=str)
def test_run_ends_with_the_commands_status(command, status, tmp_path):
    result = haconiwa("run", "--rm", "--", *command, folder=tmp_path)
    assert result.returncode == status, result.stderr
    ours = "haconiwa: error: core: EXEC: execute" if status in (126, 127) else ""
    assert result.stderr.startswith(ours)
    assert bool(result.stderr) == bool(ours)


def test_a_container_that_cannot_be_set_up_is_125(tmp_path):
    file = tmp_path / "web.toml"
    file.write_text('command = ["true"]\nstdout = "host:absent/log"\n')
    result = haconiwa("run", file, folder=tmp_path)
    assert result.returncode == 125
    assert result.stderr.startswith("haconiwa: error: core: PREPARE: ")
    assert f"open_file('{tmp_path}/absent/log'" in result.stderr
    assert "ENOENT (No such file or directory)" in result.stderr


USAGE = [
    ["run"],
    ["run", "absent.toml"],
    ["run", "absent.txt"],
    ["run", "--with", "absent", "--", "true"],
    ["run", "--set", "x", "--", "true"],
    ["run", "--unknown"],
    ["plan"],
    ["plan", "--host", "absent.json", "--", "true"],
    ["diff", "a.toml"],
    ["diff", "a.toml", "b.toml"],
    ["plugins"],
    ["plugins", "show", "absent"],
    ["nonsense"],
    [],
]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_a_users_mistake_is_2_without_a_traceback(arguments, tmp_path):
    result = haconiwa(*arguments, folder=tmp_path, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["--debug", "plan", "absent.toml"], ["plan", "absent.toml", "--debug"]])
def test_debug_shows_the_traceback(arguments, tmp_path):
    result = haconiwa(*arguments, folder=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("Traceback")
    assert "DefinitionError" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("haconiwa: error: ")


MANY = 'command = 3\nworkdir = "x"\nlamp = 1\n[absent]\n'


def test_each_problem_is_a_line_for_people(tmp_path):
    file = tmp_path / "web.toml"
    file.write_text(MANY)
    lines = haconiwa("plan", file, folder=tmp_path).stderr.splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"haconiwa: error: {file}:") for line in lines)


@pytest.mark.parametrize("arguments", [["--log-format", "json", "plan"], ["plan", "--log-format", "json"]])
def test_each_problem_is_an_object_for_programs(tmp_path, arguments):
    file = tmp_path / "web.toml"
    file.write_text(MANY)
    lines = haconiwa(*arguments, file, folder=tmp_path).stderr.splitlines()
    messages = [json.loads(line) for line in lines]
    assert len(messages) == 4
    assert {message["level"] for message in messages} == {"error"}
    assert all(message["event"].startswith(f"{file}:") for message in messages)
    assert all(message["timestamp"] for message in messages)


HOSTILE = "\x1b[2J\x07\r\x9b5m\x7f\x08"


@pytest.mark.parametrize("format", ["console", "json"])
def test_no_control_character_reaches_the_terminal(tmp_path, format):
    result = haconiwa("--log-format", format, "plan", f"{HOSTILE}.toml", folder=tmp_path)
    assert result.returncode == 2
    assert not set(result.stderr) & set(HOSTILE) - set("[25Jm")
    assert "\\x1b" in result.stderr or "\\u001b" in result.stderr


@pytest.mark.parametrize("format", ["table", "json"])
@pytest.mark.parametrize("text", [HOSTILE, "\udcff", "\U0001f980"], ids=ascii)
def test_a_plan_is_printed_on_any_terminal(tmp_path, format, text):
    strict = {"PYTHONIOENCODING": "utf-8:strict"}
    command = ["plan", "--format", format, "--set", f"{text}.x=1", "--", "echo", text]
    assert haconiwa(*command, folder=tmp_path, env=strict).returncode == 2
    result = haconiwa("plan", "--format", format, "--", "echo", text, folder=tmp_path, env=strict)
    assert result.returncode == 0, result.stderr
    assert not set(result.stdout) & set(HOSTILE) - set("[25Jm")


def test_what_a_container_writes_is_no_message_of_ours(tmp_path):
    result = haconiwa("run", "--rm", "--", "sh", "-c", "echo out; echo haconiwa: error: fake >&2", folder=tmp_path)
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "haconiwa: error: fake\n", 0)


def test_success_is_silent(tmp_path):
    result = haconiwa("run", "--", "true", folder=tmp_path)
    assert (result.stdout, result.stderr) == ("", "")


def test_the_commands_own_options_are_not_ours(tmp_path):
    result = haconiwa("run", "--rm", "--", "echo", "--debug", "--", "--help", folder=tmp_path)
    assert result.stdout == "--debug -- --help\n"


PLAN_TOML = 'command = ["true"]\nworkdir = "/tmp"\n'


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.toml").write_text(PLAN_TOML)
    (tmp_path / "b.toml").write_text(PLAN_TOML.replace("/tmp", "/srv"))
    (tmp_path / "host.json").write_text(json.dumps(host().to_json()))
    return tmp_path


def test_a_plan_is_a_table(files):
    lines = haconiwa("plan", "a.toml", "--host", "host.json", folder=files, cwd=files).stdout.splitlines()
    assert lines[0] == "a on Linux 6.12.0 x86_64 as user 0"
    assert lines[1] == f"by core {version('haconiwa-core')}"
    assert lines[2].split() == ["STAGE,", "PLUGIN", "PRIVILEGE", "STEP"]
    stages = [line.split() for line in lines if not line.startswith(" ")]
    assert ["PREPARE,", "host", "-"] in stages
    assert ["CLONE,", "launcher", "-"] in stages
    assert ["CREDENTIALS,", "child", "CAP_SETGID"] in stages
    steps = [line.split() for line in lines if line.startswith("  ")]
    assert ["core", "-", "change_directory('/tmp')"] in steps
    assert ["core", "CAP_SETGID", "set_groups(())"] in steps
    assert ["core", "[CAP_SYS_RESOURCE]", "set_oom_score_adj(<target>,", "0)"] in steps
    assert lines[-2].startswith("note: ")
    assert lines[-1] in ("launcher: helper", "launcher: zygote")


def test_a_plan_for_programs_holds_every_call(files):
    result = haconiwa("plan", "a.toml", "--host", "host.json", "--format", "json", folder=files, cwd=files)
    (plan,) = json.loads(result.stdout)
    assert plan["container"] == "a"
    assert plan["host"] == json.loads((files / "host.json").read_text())
    assert plan["versions"] == {"core": version("haconiwa-core")}
    (step,) = [step for step in plan["steps"] if step["function"] == "set_oom_score_adj"]
    assert step["privileges"] == [{"capability": "CAP_SYS_RESOURCE", "unless": "it is not lowered"}]
    (step,) = [step for step in plan["steps"] if step["function"] == "change_directory"]
    assert step["privileges"] == []
    assert step["calls"] == [
        {"call": "chdir", "arguments": ["/tmp"]},
        {"call": "getcwd", "arguments": [{"buffer": 4096}, 4096]},
    ]


def test_the_facts_of_this_host_can_be_planned_for(files):
    shown = haconiwa("plan", "--show-host", folder=files).stdout
    (files / "host.json").write_text(shown)
    result = haconiwa("plan", "a.toml", "--host", "host.json", "--format", "json", folder=files, cwd=files)
    assert json.loads(result.stdout)[0]["host"] == json.loads(shown)


def test_planning_needs_no_root_and_changes_nothing(files):
    before = sorted(os.listdir(files))
    (files / "host.json").write_text(json.dumps(host().to_json()))
    result = haconiwa("plan", "a.toml", "--host", "host.json", folder=files, cwd=files)
    assert result.returncode == 0
    assert sorted(os.listdir(files)) == before


def test_diff_tells_what_differs(files):
    same = haconiwa("diff", "a.toml", "a.toml", folder=files, cwd=files)
    assert (same.returncode, same.stdout) == (0, "")
    differing = haconiwa("diff", "a.toml", "b.toml", folder=files, cwd=files)
    assert differing.returncode == 1
    assert "-a: CREDENTIALS  core  change_directory('/tmp')" in differing.stdout.splitlines()
    assert "+b: CREDENTIALS  core  change_directory('/srv')" in differing.stdout.splitlines()


def test_diff_cannot_be_told_from_an_error_by_1(files):
    assert haconiwa("diff", "a.toml", "absent.toml", folder=files, cwd=files).returncode == 2


def test_a_name_is_claimed_until_it_is_collected(tmp_path):
    result = session(
        "haconiwa run --name web -- true; haconiwa run --name web -- true || echo again $?;"
        "haconiwa gc; haconiwa run --name web --rm -- true; haconiwa run --name web --rm -- true; echo free",
        tmp_path,
    )
    assert result.stdout == "again 125\nfree\n"
    assert "the name web is in use" in result.stderr


def test_one_name_for_several_containers_is_refused(tmp_path):
    file = tmp_path / "app.py"
    file.write_text('from haconiwa_core import Container\ncontainers = [Container(n, ["true"]) for n in "ab"]\n')
    result = haconiwa("run", file, "--name", "x", folder=tmp_path)
    assert result.returncode == 2
    assert "--name can name one container only" in result.stderr
    assert haconiwa("run", file, "b", "--name", "x", "--rm", folder=tmp_path).returncode == 0
    absent = haconiwa("run", file, "c", folder=tmp_path)
    assert absent.returncode == 2
    assert "defines no container named c; it has a, b" in absent.stderr


def test_a_closed_pipe_is_no_traceback(tmp_path):
    result = session(
        "haconiwa plan -- true | true; echo done; haconiwa plan --show-host | head -c1 >/dev/null", tmp_path
    )
    assert result.stdout == "done\n"
    assert "Traceback" not in result.stderr


def test_output_that_nobody_reads_is_no_message():
    reader, writer = os.pipe()
    os.close(reader)
    # So little that it is written at the very end, unless the environment asks for no buffer.
    command = [sys.executable, "-E", "-m", "haconiwa_core", "version"]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (125, b"")


def test_version(tmp_path):
    result = haconiwa("version", folder=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("haconiwa-core ")
    assert result.stdout.endswith("plugin interface v1\n")


@pytest.mark.parametrize("show", [print_line, lambda text: print_table(["A", "B"], [["x", text]])])
def test_what_is_shown_to_people_is_escaped(capsys, show):
    show(f"{HOSTILE}\udcffé")
    shown = capsys.readouterr().out
    assert not set(shown) & set(HOSTILE) - set("[25Jm")
    assert shown.endswith("\\x1b[2J\\x07\\x0d\\x9b5m\\x7f\\x08\\udcffé\n")


def test_a_row_of_a_table_is_one_line(capsys):
    print_table(["NAME", "COMMAND"], [["first", "sh -c 'one\ntwo'"], ["second", "sh"]])
    assert capsys.readouterr().out.splitlines()[1:] == [r"first   sh -c 'one\ntwo'", "second  sh"]
