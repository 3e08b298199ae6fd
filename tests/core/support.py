"""Plugins that a test makes of a few lines, plans of them, and the command line as a user runs it."""

import json
import os
import shlex
import subprocess
from dataclasses import make_dataclass
from itertools import count
from types import ModuleType, SimpleNamespace

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError
from haconiwa_core.feature import Feature
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.discovery import GROUP, Installed
from haconiwa_core.plugins.entrypoints import EntryPoint
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.stages import Stage
from haconiwa_core.testing import haconiwa_command, host

MODULES = SimpleNamespace()
"""Where the entry points of samples lead."""

_NUMBERS = count()


class Sample:
    """A feature and its plugin.

    `facts` and `steps` are what the hooks give, or functions of (feature, planning); `options` are
    the feature's fields, as dataclasses.make_dataclass takes them; `hooks` are added or replaced.
    """

    def __init__(self, name, *, options=(), facts=(), steps=(), hooks=None, supervised=False):
        namespace = {"section": name, "stages": tuple(Stage), "supervised": supervised}
        self.name = name
        self.feature = make_dataclass(name, options, bases=(Feature,), frozen=True, kw_only=True, namespace=namespace)

        @hookimpl
        def haconiwa_feature():
            return self.feature

        @hookimpl
        def haconiwa_facts(feature, planning):
            return facts(feature, planning) if callable(facts) else facts

        @hookimpl
        def haconiwa_steps(feature, planning):
            return steps(feature, planning) if callable(steps) else steps

        module = ModuleType(name)
        for hook in (haconiwa_feature, haconiwa_facts, haconiwa_steps):
            setattr(module, hook.__name__, hook)
        vars(module).update(hooks or {})
        place = f"sample{next(_NUMBERS)}"
        setattr(MODULES, place, module)
        self.installed = Installed(EntryPoint(name, f"{__name__}:MODULES.{place}", GROUP))


def plugins_of(*samples):
    return Plugins([sample.installed for sample in samples])


def plan_of(*samples, features=None, **fields):
    """Plan a container of the samples' features with their defaults, or of `features`."""
    used = [sample.feature() for sample in samples] if features is None else features
    container = Container("sample", ["true"], features=used, **fields)
    return plan(container, host(), plugins_of(*samples))


def problems_of(action, *arguments, **keywords):
    """Return the problems that an action finds, as text."""
    try:
        action(*arguments, **keywords)
    except DefinitionError as error:
        return [str(problem) for problem in error.problems]
    return []


# Records and settings of root lie at fixed places: give the process mounts of its own for them.
OWN_PLACES = """
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work overlay /etc
if [ -n "$POLICY" ]; then
    mkdir -p -m 755 /etc/haconiwa
    printf %s "$POLICY" >/etc/haconiwa/policy.toml
fi
exec "$@"
"""


def in_own_places(command, folder, *, policy="", **options):
    """Run a command whose records, settings and policy are nobody else's; as root only has it a policy."""
    private = ["unshare", "--mount", "sh", "-ec", OWN_PLACES, "sh"] if os.geteuid() == 0 else []
    places = {name: str(folder) for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")}
    environment = {**os.environ, **places, "POLICY": policy, **options.pop("env", {})}
    return subprocess.run([*private, *command], env=environment, capture_output=True, text=True, check=False, **options)


def haconiwa(*arguments, folder="/nonexistent", **options):
    """Run one command line."""
    return in_own_places([*haconiwa_command(), *map(str, arguments)], folder, **options)


def session(script, folder, *, site=(), **options):
    """Run a shell script in which `haconiwa` is the command line; it ends at the first failure."""
    function = f'haconiwa() {{ {shlex.join(haconiwa_command(*site))} "$@"; }}'
    return in_own_places(["sh", "-ec", f"{function}\n{script}"], folder, **options)


class Site:
    """A folder with distributions as an installer leaves them, and the command line that sees them."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {}
        self.policy = ""

    def install(self, distribution, source, name="lamp", api="v1", group="features", version="1.0"):
        module = distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(source)
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[haconiwa.{api}.{group}]\n{name} = {module}\n")

    def haconiwa(self, *arguments):
        return in_own_places(
            [*haconiwa_command(self.folder), *map(str, arguments)],
            self.folder,
            env=self.environment,
            policy=self.policy,
        )

    def session(self, script):
        return session(script, self.folder, site=[self.folder], env=self.environment, policy=self.policy)

    def listed(self, *arguments, name="lamp"):
        result = self.haconiwa("plugins", "list", "--format", "json", *arguments)
        assert result.returncode == 0, result.stderr
        return [row for row in json.loads(result.stdout) if row["name"] == name]
