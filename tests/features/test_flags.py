"""docker's flags mean the options that they stand for, and do in a container what docker's do."""

from __future__ import annotations

import json
import os
import subprocess
from argparse import ArgumentParser

import pytest

from haconiwa_core.cli import run
from haconiwa_core.cli.arguments import unknown_options
from haconiwa_core.cli.flags import GROUP, add_flags
from haconiwa_core.cli.selection import selected
from haconiwa_core.plugins.catalogue import flag_distributions
from haconiwa_core.plugins.entrypoints import entry_points
from haconiwa_core.testing import all_plugins, haconiwa_command, needs_root
from haconiwa_core.testing.roots import busybox_root

HERE = os.getcwd()
USR = {"source": "/usr", "target": "/mnt"}
WRITABLE = {**USR, "read_only": False}

SAME = [
    ("-m 256m", {"cgroup": {"memory": "256M"}}),
    ("--memory 268435456", {"cgroup": {"memory": "268435456"}}),
    ("--memory=1gb", {"cgroup": {"memory": "1G"}}),
    ("--memory 1GiB", {"cgroup": {"memory": "1G"}}),
    ("-m -1", {"cgroup": {"memory": "max"}}),
    ("-m 256m --memory-swap 1g", {"cgroup": {"memory": "256M", "swap": 768 << 20}}),
    ("--memory-swap 256m -m 256m", {"cgroup": {"memory": "256M", "swap": 0}}),
    ("-m 256m --memory-swap -1", {"cgroup": {"memory": "256M", "swap": "max"}}),
    ("--cpus 1.5", {"cgroup": {"cpu": 1.5}}),
    ("--cpus 2", {"cgroup": {"cpu": 2}}),
    ("--cpu-shares 1024", {"cgroup": {"cpu_weight": 100}}),
    ("--cpu-shares 2", {"cgroup": {"cpu_weight": 1}}),
    ("--cpuset-cpus 0-1", {"cgroup": {"cpuset": "0-1"}}),
    ("--cpuset-mems 0", {"cgroup": {"cpuset_mems": "0"}}),
    ("--pids-limit 64", {"cgroup": {"pids": 64}}),
    ("--pids-limit -1", {"cgroup": {"pids": "max"}}),
    ("--cgroup-parent /batch", {"cgroup": {"parent": "/batch"}}),
    ("-v /usr:/mnt:ro", {"mount": {"bind": [USR]}}),
    ("-v /usr:/mnt --volume ./x:/mnt:rw", {"mount": {"bind": [WRITABLE, {**WRITABLE, "source": f"{HERE}/x"}]}}),
    ("--mount type=bind,source=/usr,target=/mnt,readonly", {"mount": {"bind": [USR]}}),
    ("--mount type=bind,src=/usr,dst=/mnt", {"mount": {"bind": [WRITABLE]}}),
    (
        "--mount type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=0700",
        {"mount": {"tmpfs": [{"target": "/t", "size": "64m", "mode": 0o700, "noexec": True}]}},
    ),
    ("--tmpfs /t", {"mount": {"tmpfs": [{"target": "/t", "mode": 0o1777, "noexec": True}]}}),
    (
        "--tmpfs /t:exec,size=1m,mode=755,ro",
        {"mount": {"tmpfs": [{"target": "/t", "size": "1m", "read_only": True}]}},
    ),
    ("-u 1000", {"credentials": {"uid": 1000}}),
    ("--user www-data:100", {"credentials": {"uid": "www-data", "gid": 100}}),
    ("-u 1 --group-add 5 --group-add audio", {"credentials": {"uid": 1, "groups": [5, "audio"]}}),
    ("--set chroot.root=/srv --read-only", {"chroot": {"root": "/srv", "read_only": True}}),
    ("--cap-drop net_raw --cap-add SYS_TIME", {"capabilities": {"drop": ["net_raw"], "add": ["SYS_TIME"]}}),
    ("--cap-add CHOWN --cap-drop ALL", {"capabilities": {"keep": ["CHOWN"]}}),
    ("--cap-drop ALL", {"capabilities": {"keep": []}}),
    ("--cap-add all --cap-drop sys_admin", {"capabilities": {"all": True, "drop": ["sys_admin"]}}),
    ("--ulimit nofile=1024:2048 --ulimit core=0", {"rlimit": {"nofile": [1024, 2048], "core": 0}}),
    ("--ulimit memlock=-1:-1 --ulimit as=4096", {"rlimit": {"memlock": ["unlimited"] * 2, "as_": 4096}}),
    ("--network none", {"ns-net": {}}),
    ("--network container:web", {"ns-net": {"join": "web"}}),
    ("--network host", {}),
    ("-p 8080:80 --publish 127.0.0.1:53:53/udp", {"network": {"ports": ["8080:80", "127.0.0.1:53:53/udp"]}}),
    ("--ip 10.209.0.8 --ip 10.209.0.9", {"network": {"address": "10.209.0.9"}}),
    ("--dns 192.0.2.1 --dns 2001:db8::1", {"network": {"dns": ["192.0.2.1", "2001:db8::1"]}}),
    ("--add-host db:10.209.0.9 --add-host six=::1", {"network": {"hosts": ["db:10.209.0.9", "six:::1"]}}),
    ("--pid private", {"ns-pid": {}}),
    ("--pid container:web", {"ns-pid": {"join": "web"}}),
    ("--pid host", {}),
    ("--ipc private", {"ns-ipc": {}}),
    ("--ipc host", {}),
    ("--uts private", {"ns-uts": {}}),
    ("--uts host", {}),
    ("--cgroupns private", {"ns-cgroup": {}}),
    ("--userns private", {"ns-user": {}}),
    ("--userns host", {}),
    ("--hostname here --domainname there", {"ns-uts": {"hostname": "here", "domainname": "there"}}),
    ("--sysctl a.b=1 --sysctl c.d=x", {"sysctl": {"values": {"a.b": "1", "c.d": "x"}}}),
    ("--init", {"init": {}}),
    ("--oom-score-adj -500", {"scheduling": {"oom_score_adj": -500}}),
    ("--security-opt no-new-privileges", {"no-new-privs": {}}),
    ("--security-opt no-new-privileges:true", {"no-new-privs": {}}),
    ("--security-opt no-new-privileges=false", {}),
    ("--security-opt seccomp=builtin", {"seccomp": {}}),
    ("--security-opt seccomp=./x.json", {"seccomp": {"profile": f"{HERE}/x.json"}}),
    ("--security-opt seccomp=unconfined", {}),
    ("--security-opt apparmor=docker-default", {"apparmor": {"profile": "docker-default"}}),
    ("--security-opt apparmor=unconfined --security-opt seccomp=builtin", {"seccomp": {}}),
    ("--restart no", {"supervision": {"restart_limit": 0}}),
    ("--restart always", {"supervision": {"restart": "always", "restart_limit": 0}}),
    ("--restart on-failure", {"supervision": {"restart": "on-failure", "restart_limit": 0}}),
    ("--restart on-failure:3", {"supervision": {"restart": "on-failure", "restart_limit": 3}}),
    ("--stop-signal int --stop-timeout 3", {"supervision": {"stop_signal": "SIGINT", "stop_timeout": 3}}),
    ("--stop-signal SIGQUIT", {"supervision": {"stop_signal": "SIGQUIT"}}),
]

WRONG = [
    ("-m lots", 'cgroup.memory: must be a size, such as "256M", or "max", not \'lots\''),
    ("--memory-swap 1g", "cgroup: --memory-swap without a limit of memory; give --memory, too: it is of both together"),
    ("-m 2g --memory-swap 1g", "cgroup: --memory-swap 1G is less than the memory, 2G, which it contains"),
    ("--cpus many", "cgroup.cpu: must be"),
    ("--pids-limit -2", "cgroup.pids: must be"),
    ("--cpu-shares none", "cgroup.cpu_weight: must be an integer (1..10000), not 'none'"),
    ("-v data:/mnt", "mount: --volume data:/mnt: there are no named volumes; write ./data for a directory"),
    ("-v /usr", "mount: --volume /usr: must be SOURCE:TARGET or SOURCE:TARGET:ro"),
    ("-v /usr:/mnt:z", "mount: --volume /usr:/mnt:z: 'z' is not understood; only ro and rw are"),
    ("-v /usr:mnt", "mount.bind[0].target: must be an absolute path, not 'mnt'"),
    ("--mount source=/usr,target=/x", "type=volume is not understood; only bind and tmpfs are"),
    ("--mount type=bind,target=/x", "needs a source"),
    ("--mount type=tmpfs,target=/x,source=/y", "'source' is not understood with type=tmpfs"),
    ("--tmpfs /t:mode=999", "the mode '999' is no octal number"),
    ("--tmpfs /t:uid=3", "'uid' is not understood"),
    ("--tmpfs /t:size=much", "mount.tmpfs[0].size: must be a size such as 64M or 50%, not 'much'"),
    ("-u :5", "credentials: --user ':5': must be USER or USER:GROUP"),
    ("--user a/b", "credentials.uid: must be"),
    ("--cap-add fly", "capabilities.add: "),
    ("--ulimit nofile", "rlimit: --ulimit nofile: not understood; write NAME=SOFT or NAME=SOFT:HARD"),
    ("--ulimit nofiles=1", 'rlimit.nofiles: unknown key "nofiles"; did you mean "nofile"?'),
    ("--ulimit nofile=lots", "rlimit.nofile: must be"),
    ("--network bridge", "ns-net: --network bridge: not understood; write none, host or container:NAME"),
    ("-p 80", "network.ports[0]: must be a port, such as"),
    ("-p 8000-8010:80", "network.ports[0]: must be a port, such as"),
    ("--ip here", "network.address: must be an IP address"),
    ("--dns here", "network.dns[0]: must be an IP address"),
    ("--add-host db", "network.hosts[0]: must be a name and its address"),
    ("--pid shareable", "ns-pid: --pid shareable: not understood; write private, host or container:NAME"),
    ("--uts host --hostname x", "ns-uts: --uts host contradicts --hostname"),
    ("--sysctl net.ipv4.ip_forward", "sysctl: --sysctl net.ipv4.ip_forward: not understood; write NAME=VALUE"),
    ("--oom-score-adj low", "scheduling.oom_score_adj: must be"),
    ("--security-opt no-new-privileges:maybe", "no-new-privs: --security-opt no-new-privileges:maybe: must be true"),
    ("--security-opt seccomp=", "seccomp.profile: must be a path, not ''"),
    ("--read-only", "chroot.root: is missing"),
    ("--restart sometimes", "supervision.restart: must be"),
    ("--restart unless-stopped", "supervision: --restart unless-stopped: there is none; `always` is"),
    ("--restart always:3", "supervision: --restart always:3: not understood; write on-failure:COUNT"),
    ("--stop-signal NONE", "supervision.stop_signal: must be a signal's name, not 'SIGNONE'"),
]


def container_of(line: str, *before: str):
    """Return the container that a command line describes."""
    words = [*before, *line.split()]
    parser = ArgumentParser()
    run.configure(parser)
    add_flags(parser, unknown_options(parser, words))
    options = parser.parse_args(words)
    options.command = ["true"] if options.file is None else []
    (container,) = selected(options, all_plugins())
    return container


@pytest.mark.parametrize(("line", "features"), SAME, ids=[line for line, _ in SAME])
def test_a_flag_means_options(line, features):
    container = container_of(line)
    assert container.problems() == []
    assert json.loads(json.dumps(container.to_json()["features"])) == features


def test_every_flag_is_looked_at():
    words = {word.lstrip("-").partition("=")[0] for line, _ in SAME for word in line.split() if word.startswith("-")}
    opts = {f"security-opt.{word}" for word in ("seccomp", "apparmor", "no-new-privileges")}
    ours = {*flag_distributions()}
    assert ours - words - opts == set()
    assert {item.name: item.distribution for item in entry_points() if item.group == GROUP} == flag_distributions()


@pytest.mark.parametrize(("line", "text"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_value_is_the_options_problem(line, text):
    (problem,) = container_of(line).problems()
    assert str(problem).startswith("command line: ")
    assert text in str(problem)


@pytest.fixture
def definition(tmp_path):
    file = tmp_path / "web.toml"
    sections = '[cgroup]\npids = 5\n[mount]\nproc = true\ntmpfs = [{target = "/a"}]\n[capabilities]\nkeep = ["chown"]\n'
    file.write_text(f'command = ["true"]\n{sections}[ns-net]\n[sysctl]\nvalues = {{ "a.b" = 1 }}\n')
    return file


@pytest.mark.parametrize(
    ("line", "section", "options"),
    [
        ("-m 1g", "cgroup", {"pids": 5, "memory": "1G"}),
        ("--tmpfs /b:exec,mode=755", "mount", {"proc": True, "tmpfs": [{"target": "/a"}, {"target": "/b"}]}),
        ("--cap-add kill", "capabilities", {"keep": ["chown", "kill"]}),
        ("--sysctl c.d=2", "sysctl", {"values": {"a.b": 1, "c.d": "2"}}),
        ("--network host", "ns-net", None),
        ("--network container:web", "ns-net", {"join": "web"}),
    ],
)
def test_a_definition_keeps_its_other_options(definition, line, section, options):
    features = json.loads(json.dumps(container_of(line, str(definition)).to_json()["features"]))
    assert features.get(section) == options
    assert set(features) | {section} == {"cgroup", "mount", "capabilities", "ns-net", "sysctl"}


def test_of_a_profile_all_else_stays():
    """A limit that a profile sets is not lost because another one is changed."""
    changed = container_of("--set hardened.root=/srv --set hardened.pids=7 -m 1g").to_json()["features"]
    assert (changed["cgroup"]["pids"], changed["cgroup"]["memory"]) == (7, "1G")
    (problem,) = container_of("--set hardened.root=/srv --network host").problems()
    assert "another feature stands for ns-net" in str(problem)


INSIDE = [
    ("-m 64m --pids-limit 9", "cat /proc/self/cgroup | grep -c haconiwa", None),
    ("-e A=1 -w /usr", "echo $A; pwd", "1\n/usr\n"),
    ("--ulimit nofile=100:200", "ulimit -Sn; ulimit -Hn", "100\n200\n"),
    ("-u 1234:5678", "id -u; id -g", "1234\n5678\n"),
    ("--cap-drop all --cap-add chown", "grep CapBnd /proc/self/status", "CapBnd:\t0000000000000001\n"),
    ("--hostname elsewhere", "uname -n", "elsewhere\n"),
    ("--network none", "ls /sys/class/net /proc/net/dev >/dev/null; grep -c : /proc/net/dev", None),
    ("--with ns-mount --tmpfs /mnt:size=1m", "grep ' /mnt ' /proc/self/mounts | cut -d' ' -f1-3", "none /mnt tmpfs\n"),
    ("--security-opt no-new-privileges", "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"),
    ("--oom-score-adj 77", "cat /proc/self/oom_score_adj", "77\n"),
]


@needs_root
@pytest.mark.parametrize(("line", "script", "output"), INSIDE, ids=[line for line, *_ in INSIDE])
def test_it_is_so_inside(tmp_path, line, script, output):
    command = [*haconiwa_command(), "run", "--rm", *line.split(), "--", "sh", "-c", script]
    environment = {**os.environ, "HACONIWA_STATE": str(tmp_path / "state")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert output is None or done.stdout == output


@needs_root
def test_a_volume_is_written_unless_it_is_read_only(tmp_path):
    (tmp_path / "data").mkdir()
    root = busybox_root(tmp_path / "root")
    words = ["run", "--rm", "--with", "ns-mount", "--set", f"chroot.root={root}", "-v"]
    script = "echo hello >/tmp/file && cat /tmp/file"
    environment = {**os.environ, "HACONIWA_STATE": str(tmp_path / "state")}
    outcomes = []
    for volume in ("./data:/tmp", "./data:/tmp:ro"):
        command = [*haconiwa_command(), *words, volume, "--", "/bin/sh", "-c", script]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        outcomes.append((done.returncode, done.stdout, "Read-only file system" in done.stderr))
    assert outcomes == [(0, "hello\n", False), (1, "", True)]
