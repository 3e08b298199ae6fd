import json
from pathlib import Path

import pytest
from haconiwa_core.testing import functions, host, plan_of, planned_steps, problems_of

from haconiwa_keyring import Key, Keyring

ALICE = host(uid=1000, gid=1001, capabilities=0)


def described(feature: Keyring, **fields: object) -> list[str]:
    return [planned.describe() for planned in planned_steps(plan_of(feature, **fields), "keyring")]


def test_the_host_opens_files_and_the_child_makes_keys_of_them() -> None:
    feature = Keyring(name="web", keys=[Key("db", "password"), Key("token", "/srv/token")], read_only=True)
    opened, other, *inside = described(feature, folder="/etc/web")
    assert opened.startswith("<keyring-file-db> = open_file('/etc/web/password', ")
    assert other.startswith("<keyring-file-token> = open_file('/srv/token', ")
    assert inside == [
        "join_session_keyring('web', 0, 0)",
        "add_key(<keyring-file-db>, 'db', 0, 0, True)",
        "add_key(<keyring-file-token>, 'token', 0, 0, True)",
        "protect_session_keyring('web', 0, 0)",
    ]


def test_it_comes_after_the_nameless_keyring_of_the_core() -> None:
    names = functions(plan_of(Keyring(name="web")))
    assert names.index("new_session_keyring") < names.index("join_session_keyring")


def test_an_ordinary_users_keys_belong_to_that_user() -> None:
    assert described(Keyring(name="web"), host=ALICE) == ["join_session_keyring('web', 1000, 1001)"]


def test_no_payload_is_in_the_plan(tmp_path: Path) -> None:
    """Not even its digest, from which a short one could be guessed: files are opened when the container starts."""
    (tmp_path / "password").write_text("hunter2")
    plan = plan_of(Keyring(name="web", keys=[Key("db", "password")]), folder=str(tmp_path))
    assert plan.inputs == ()
    assert b"hunter2" not in plan.program.data
    shown = json.dumps([plan.to_json(), plan.definition])
    assert str(tmp_path / "password") in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("name", ["", ".web", "a b", "web;0", "w" * 201, "web\0", "wéb", 3, None])
def test_wrong_names(name: object) -> None:
    problems = [*problems_of(Keyring(name=name)), *problems_of(Keyring(name="web", keys=[Key(name, "file")]))]
    assert [problem.key for problem in problems] == ["name", "keys[0].description"]
    assert all(problem.text.startswith("must be ") for problem in problems)


def test_each_description_occurs_once() -> None:
    keys = [Key("db", "one"), Key("token", "two"), Key("db", "three")]
    (problem,) = problems_of(Keyring(name="web", keys=keys))
    assert str(problem).endswith('keyring.keys: has the description "db" twice')
