"""The policy of a host: what may be used is what root's file leaves, and nothing else gives it back."""

import json
import sys

import pytest
from core.support import Site, in_own_places
from core.test_plugins import PLUGIN

from haconiwa_core.testing import haconiwa_command, needs_root

pytestmark = needs_root
FILE = "/etc/haconiwa/policy.toml"
PLAN = ("plan", "--with", "lamp", "--", "true")
USER = 4321
COMMAND = """
HELP = "switch it on"
def configure(parser): pass
def main(options, log):
    print("on")
    return 0
"""


@pytest.fixture
def site(tmp_path):
    """A place with one plugin."""
    site = Site(tmp_path)
    site.install("haconiwa-lamp", PLUGIN, version="1.5")
    return site


def plugins(**rules):
    return "[plugins]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rules.items())


def state(site):
    (row,) = site.listed()
    return row["state"], row["reason"]


ALLOWED, DENIED, LEFT_OUT = ("enabled", ""), ("blocked", f"denied by {FILE}"), ("blocked", f"not allowed by {FILE}")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ALLOWED),
        ({"allow": []}, LEFT_OUT),
        ({"allow": ["haconiwa-lamp"]}, ALLOWED),
        ({"allow": ["Haconiwa.LAMP"]}, ALLOWED),
        ({"allow": ["haconiwa"]}, LEFT_OUT),
        ({"allow": ["other", "haconiwa_*"]}, ALLOWED),
        ({"allow": ["*"]}, ALLOWED),
        ({"allow": ["haconiwa-lamp>=1.2,<2"]}, ALLOWED),
        ({"allow": ["haconiwa-* ~=1.5"]}, ALLOWED),
        ({"allow": ["haconiwa-lamp<1.5"]}, LEFT_OUT),
        ({"allow": ["haconiwa-lamp<1.5", "haconiwa-lamp==1.5.*"]}, ALLOWED),
        ({"deny": ["haconiwa-lamp"]}, DENIED),
        ({"deny": ["haconiwa-lamp>1.5"]}, ALLOWED),
        ({"allow": ["haconiwa-lamp"], "deny": ["*-lamp"]}, DENIED),
    ],
    ids=json.dumps,
)
def test_rules(site, rules, expected):
    site.policy = plugins(**rules)
    assert state(site) == expected


def test_a_pre_release_is_judged_as_any_version(tmp_path):
    site = Site(tmp_path)
    site.install("haconiwa-lamp", PLUGIN, version="2.0rc1")
    for rule, expected in (("haconiwa-lamp>=1", ALLOWED), ("haconiwa-lamp>=2.0", LEFT_OUT)):
        site.policy = plugins(allow=[rule])
        assert state(site) == expected


def test_a_version_that_is_none_is_not_guessed_about(tmp_path):
    site = Site(tmp_path)
    site.install("haconiwa-lamp", PLUGIN, version="new")
    site.policy = plugins(deny=["haconiwa-lamp<1"])
    result = site.haconiwa(*PLAN)
    assert result.returncode == 2
    assert "haconiwa-lamp: Invalid version: 'new', and the policy has a rule about it: haconiwa-lamp<1" in result.stderr


def test_what_is_blocked_is_not_imported(site):
    site.install(
        "haconiwa-switch", f"open({str(site.folder / 'imported')!r}, 'w')\n{COMMAND}", "switch", group="commands"
    )
    assert (site.haconiwa(*PLAN).returncode, site.haconiwa("switch").stdout) == (0, "on\n")
    (site.folder / "imported").unlink()
    site.policy = plugins(deny=["haconiwa-lamp", "haconiwa-switch"])
    result = site.haconiwa(*PLAN)
    assert result.returncode == 2
    assert f"plugin lamp of haconiwa-lamp is blocked: denied by {FILE}" in result.stderr
    result = site.haconiwa("switch")
    assert result.returncode == 2
    assert f"the command switch: haconiwa-switch is blocked: denied by {FILE}" in result.stderr
    assert not (site.folder / "imported").exists()


def test_a_definition_that_imports_what_is_blocked_does_not_start(site):
    file = site.folder / "web.py"
    file.write_text(
        "from haconiwa_core import Container\nfrom haconiwa_lamp import Lamp\n"
        "web = Container('web', ['true'], features=[Lamp()])\n"
    )
    assert site.haconiwa("plan", file).returncode == 0
    site.policy = plugins(deny=["haconiwa-lamp"])
    result = site.haconiwa("plan", file)
    assert result.returncode == 2
    assert f"plugin lamp of haconiwa-lamp is blocked: denied by {FILE}" in result.stderr


def test_the_policy_decides_between_two_of_one_name(site):
    site.install("other-lamp", "raise RuntimeError")
    for name in ("haconiwa-switch", "other-switch"):
        site.install(name, COMMAND, "switch", group="commands")
    assert (site.haconiwa(*PLAN).returncode, site.haconiwa("switch").returncode) == (2, 2)
    site.policy = plugins(deny=["other-*"])
    assert [row["state"] for row in site.listed()] == ["enabled", "blocked"]
    assert (site.haconiwa(*PLAN).returncode, site.haconiwa("switch").stdout) == (0, "on\n")


def test_nothing_else_gives_back_what_is_denied(site):
    site.policy = plugins(deny=["haconiwa-lamp"])
    own = site.folder / "haconiwa"
    own.mkdir()
    (own / "policy.toml").write_text(plugins(allow=["*"]))
    (own / "plugins.json").write_text('{"disabled": []}')
    names = ("HACONIWA_ALLOW_PLUGINS", "HACONIWA_ENABLE_PLUGINS", "HACONIWA_POLICY", "HACONIWA_CONFIG")
    site.environment = {**dict.fromkeys(names, str(own / "policy.toml")), "HACONIWA_DISABLE_PLUGINS": ""}
    assert state(site) == DENIED
    result = site.session("haconiwa plugins enable lamp; haconiwa plan --with lamp -- true")
    assert result.returncode == 2
    assert f"is blocked: denied by {FILE}" in result.stderr


def test_ordinary_users_have_the_same_policy(tmp_path):
    """Even with a file of their own that says something else."""
    (tmp_path / "haconiwa").mkdir()
    (tmp_path / "haconiwa" / "policy.toml").write_text(plugins(allow=["*"]))
    program = f"""
import os
# Where these lie a user may not read.
import haconiwa_core.plugins.rules
from haconiwa_core.plugins.policy import blocked
os.setgroups([]), os.setgid({USER}), os.setuid({USER})
print(blocked("haconiwa-lamp", "1.5"))
"""
    done = in_own_places([sys.executable, "-c", program], tmp_path, policy=plugins(deny=["haconiwa-lamp"]))
    assert done.stdout == f"denied by {FILE}\n", done.stderr


@pytest.mark.parametrize("narrowing", ["file", "environment"])
def test_everything_narrows(site, narrowing):
    site.policy = plugins(allow=["haconiwa-lamp"])
    if narrowing == "environment":
        site.environment = {"HACONIWA_DISABLE_PLUGINS": "lamp"}
        assert state(site)[0] == "disabled"
    else:
        result = site.session("haconiwa plugins disable lamp; haconiwa plan --with lamp -- true")
        assert "plugin lamp of haconiwa-lamp is disabled" in result.stderr


class TestRequired:
    """Nothing starts without what is required."""

    @pytest.mark.parametrize(
        "rule", ["haconiwa-lamp", "haconiwa-lamp>=1,<2", "Haconiwa_Lamp==1.5", "haconiwa-core", "pluggy>=1"]
    )
    def test_what_is_there_is_enough(self, site, rule):
        site.policy = plugins(required=[rule])
        assert site.haconiwa("plan", "--", "true").returncode == 0

    @pytest.mark.parametrize("rule", ["haconiwa-absent", "haconiwa-lamp>=2"])
    def test_what_is_not_there(self, site, rule):
        site.policy = plugins(required=["haconiwa-lamp", rule, "other-absent"])
        result = site.haconiwa("plan", "--", "true")
        assert result.returncode == 2
        assert f"{FILE} requires {rule}: not installed in such a version" in result.stderr
        assert f"pip install '{rule}'" in result.stderr
        assert f"{FILE} requires other-absent" in result.stderr
        assert f"{FILE} requires haconiwa-lamp:" not in result.stderr

    def test_what_is_disabled_or_blocked_is_not_there(self, site):
        site.policy = plugins(required=["haconiwa-lamp"])
        site.environment = {"HACONIWA_DISABLE_PLUGINS": "lamp"}
        assert f"{FILE} requires haconiwa-lamp" in site.haconiwa("plan", "--", "true").stderr
        site.environment = {}
        site.policy = plugins(required=["haconiwa-lamp"], deny=["haconiwa-lamp"])
        assert f"{FILE} requires haconiwa-lamp" in site.haconiwa("plan", "--", "true").stderr

    def test_a_disabled_observer_is_not_there(self, site):
        site.install("haconiwa-camera", "", "camera", group="observers")
        site.policy = plugins(required=["haconiwa-camera"])
        assert site.haconiwa("plan", "--", "true").returncode == 0
        site.environment = {"HACONIWA_DISABLE_PLUGINS": "camera"}
        assert f"{FILE} requires haconiwa-camera" in site.haconiwa("plan", "--", "true").stderr

    def test_one_can_look_and_clean_up_all_the_same(self, site):
        site.policy = plugins(required=["haconiwa-absent"])
        for arguments in (["plugins", "list"], ["plugins", "show", "lamp"], ["gc"], ["version"]):
            assert site.haconiwa(*arguments).returncode == 0


WRONG = {
    "no TOML": ("[plugins", ": cannot tell what is allowed: "),
    "a table that is none": ("[pluginz]\nallow = []", ':1: pluginz: unknown key "pluginz"; did you mean "plugins"?'),
    "a key that is none": (
        "[plugins]\nallow = []\ndenied = []",
        ':3: plugins.denied: unknown key "denied"; did you mean "deny"?',
    ),
    "no table": ("plugins = 3", ":1: plugins: must be a table with allow, deny, required"),
    "no list": ('[plugins]\n\nallow = "x"', ":3: plugins.allow: must be a list of a rule"),
    "no text": ("[plugins]\nallow = [3]", ":2: plugins.allow[0]: must be a string, not 3"),
    "no name": ('[plugins]\ndeny = ["a b"]', ":2: plugins.deny[0]: must be a rule"),
    "no versions": ('[plugins]\ndeny = ["a>=one"]', ":2: plugins.deny[0]: "),
    "a pattern that is required": ('[plugins]\nrequired = ["a-*"]', ":2: plugins.required[0]: must be a requirement"),
    "a path that is none": (
        '[definitions]\n"alice" = ["x.toml"]',
        ":2: definitions.alice[0]: must be an absolute path",
    ),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG)
def test_a_policy_that_is_not_understood_stops_everything(site, text, told):
    site.policy = text
    for arguments in (PLAN, ("plugins", "list"), ("plan", "--", "true")):
        result = site.haconiwa(*arguments)
        assert result.returncode == 2
        assert f"{FILE}{told}" in result.stderr


def test_all_that_is_wrong_is_told_at_once(site):
    site.policy = "".join(text + "\n" for text, _ in [WRONG["a key that is none"], WRONG["a path that is none"]])
    assert len(site.haconiwa(*PLAN).stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (f"chmod 666 {FILE}", f"{FILE} can be written by others (mode 0666)"),
        (f"chmod 620 {FILE}", f"{FILE} can be written by others (mode 0620)"),
        (f"chown {USER} {FILE}", f"{FILE} belongs to user {USER}"),
        ("chmod 777 /etc/haconiwa", "/etc/haconiwa can be written by others (mode 0777)"),
        (f"chown {USER} /etc/haconiwa", f"/etc/haconiwa belongs to user {USER}"),
        (f"mv {FILE} /run/p; chmod 666 /run/p; ln -s /run/p {FILE}", "/run/p can be written by others"),
        (f"ln -sf /run/nowhere {FILE}", "No such file or directory"),
        (f"rm {FILE}; mkdir {FILE}", "Is a directory"),
    ],
)
@pytest.mark.parametrize("caller", ["root", "sudo"])
def test_a_policy_that_others_could_have_written_is_none(site, change, complaint, caller):
    site.policy = plugins(allow=["*"])
    # Whom sudo names is trusted with definitions, and not with this.
    site.environment = {"SUDO_UID": str(USER)} if caller == "sudo" else {}
    result = site.session(
        f"haconiwa plan --with lamp -- true >/dev/null; echo allowed; {change}\nhaconiwa plan -- true"
    )
    assert result.stdout == "allowed\n"
    assert result.returncode == 2
    assert complaint in result.stderr


class TestDefinitions:
    """Who may run which."""

    @pytest.fixture
    def files(self, site):
        """Definitions in two folders, and a link between them."""
        for name in ("a/web.toml", "a/more/web.toml", "b/web.toml", "b/web.py"):
            file = site.folder / name
            file.parent.mkdir(exist_ok=True, parents=True)
            python = "from haconiwa_core import Container\nweb = Container('web', ['true'])\n"
            file.write_text(python if name.endswith(".py") else 'command = ["true"]\n')
        (site.folder / "a" / "link.toml").symlink_to(site.folder / "b" / "web.toml")
        (site.folder / "b" / "link.toml").symlink_to(site.folder / "a" / "web.toml")
        return site.folder

    @staticmethod
    def says(site, user, *patterns):
        site.policy = f"[definitions]\n{json.dumps(user)} = {json.dumps(patterns)}\n"

    @pytest.mark.parametrize(
        ("file", "may"),
        [
            ("a/web.toml", True),
            ("b/web.toml", False),
            ("b/web.py", False),
            ("a/more/web.toml", False),
            ("a/../b/web.toml", False),
            ("b/../a/web.toml", True),
            ("a/link.toml", False),
            ("b/link.toml", True),
        ],
    )
    def test_files_are_where_they_lead_to(self, site, files, file, may):
        self.says(site, "root", f"{files}/a/*.toml")
        result = site.haconiwa("plan", files / file)
        if may:
            assert result.returncode == 0, result.stderr
        else:
            assert result.returncode == 2
            assert f"{files / file}: {FILE} does not let root run {(files / file).resolve()}" in result.stderr

    def test_every_verb_that_reads_one(self, site, files):
        self.says(site, "root", f"{files}/a/*.toml")
        refused = [["run", "--rm", "b/web.py"], ["plan", "b/web.py"], ["diff", "a/web.toml", "b/web.py"]]
        for verb, *arguments in refused:
            result = site.haconiwa(verb, *(files / item if "/" in item else item for item in arguments))
            assert result.returncode == 2
            assert f"{FILE} does not let root run {files}/b/web.py" in result.stderr
        assert site.haconiwa("diff", files / "a/web.toml", files / "b/link.toml").returncode == 0

    @pytest.mark.parametrize("user", ["alice", "*", str(USER)])
    def test_under_sudo_the_user_is_who_called_it(self, site, files, user):
        site.environment = {"SUDO_UID": str(USER)}
        script = f"echo alice:x:{USER}:{USER}::/:/bin/sh >>/etc/passwd; haconiwa plan {files}/a/web.toml"
        self.says(site, user, f"{files}/a/*")
        expected = 2 if user.isdigit() else 0
        assert site.session(script).returncode == expected
        # Without a name it is the number.
        assert site.haconiwa("plan", files / "a/web.toml").returncode == (2 if user == "alice" else 0)
        self.says(site, "root", "*")
        assert "does not let alice run" in site.session(script).stderr

    @pytest.mark.parametrize(
        "more",
        [["--with", "lamp"], ["--without", "lamp"], ["--set", "lamp.level=2"], ["--", "sh"]],
        ids=lambda more: more[0],
    )
    def test_nothing_is_changed_in_them(self, site, files, more):
        self.says(site, "root", f"{files}/*/*")
        assert site.haconiwa("plan", files / "a/web.toml").returncode == 0
        result = site.haconiwa("plan", files / "a/web.toml", *more)
        assert result.returncode == 2
        assert f"command line: {FILE} lets root run files as they are" in result.stderr
        assert site.haconiwa("plan", *more).returncode == 2
        self.says(site, "root", "*")
        assert site.haconiwa("plan", files / "a/web.toml", *more).returncode == 0

    def test_a_table_without_the_user_is_no_permission(self, site, files):
        self.says(site, "nobody", "*")
        assert site.haconiwa("plan", files / "a/web.toml").returncode == 2
        assert site.haconiwa("plan", "--", "true").returncode == 2

    def test_without_the_table_all_may_run_all(self, site, files):
        site.policy = plugins(allow=["*"])
        assert site.haconiwa("plan", files / "b/web.py", "--with", "lamp").returncode == 0


def test_without_a_policy_nothing_of_it_is_imported(tmp_path):
    program = "import sys; from haconiwa_core.cli.main import main; main(['plan', '--', 'true']); print(*sys.modules)"
    for policy, expected in (("", False), (plugins(allow=["*"]), True)):
        done = in_own_places([*haconiwa_command()[:3], program], tmp_path, policy=policy)
        loaded = set(done.stdout.splitlines()[-1].split())
        assert ({"haconiwa_core.plugins.rules", "tomllib", "packaging.version"} <= loaded) == expected
        assert not expected or "packaging.version" in loaded
