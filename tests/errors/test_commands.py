"""What cannot be executed: the text tells what stands in the command's place."""

import subprocess

import pytest
from errors.support import AARCH64, I386, PATH, binary, error_of, put, told
from haconiwa_chroot import Chroot
from haconiwa_mount import Bind, Mount
from haconiwa_ns_mount import MountNamespace

from haconiwa_core.errors import SetupError
from haconiwa_core.testing import needs_program, run, run_attached, started

BOTH = [(), ("--with", "ns-mount")]


def executing(root, *command, more=(), status=127):
    text = told("run", "--rm", "--set", f"chroot.root={root}", *more, "--", *command, status=status)
    return text.replace(str(root), "ROOT")


def failed(program, errno, rest):
    return f"core: EXEC: execute {program!r}: {errno}: {rest}"


NOT_FOUND = "ENOENT (No such file or directory)"
NOT_A_PROGRAM = "ENOEXEC (Exec format error)"
DENIED = "EACCES (Permission denied)"


@pytest.mark.parametrize("more", BOTH)
def test_no_such_program_on_the_path(root, more):
    expected = f"ROOT has no 'sleeep' in any of PATH={PATH}; did you mean \"sleep\"?"
    assert executing(root, "sleeep", more=more) == failed("sleeep", NOT_FOUND, expected)


def test_no_such_program_and_none_like_it(root):
    expected = f"ROOT has no 'qqqqqq' in any of PATH={PATH}; install it there, or give its whole path"
    assert executing(root, "qqqqqq") == failed("qqqqqq", NOT_FOUND, expected)


def test_it_is_where_the_path_does_not_lead(root, tmp_path):
    put(root / "usr/sbin/server", "#!/bin/sh\n")
    file = put(
        tmp_path / "c.toml", f'command = ["server"]\nenv = {{ PATH = "/bin" }}\nchroot = {{ root = "{root}" }}\n'
    )
    rest = "ROOT has it in /usr/sbin, which PATH=/bin does not name; add it to PATH in env, or give the whole path, "
    expected = failed("server", NOT_FOUND, f"{rest}'/usr/sbin/server'")
    assert told("run", file, status=127).replace(str(root), "ROOT") == expected


def test_no_such_file(root):
    expected = failed("/bin/sleeep", NOT_FOUND, "ROOT has no '/bin/sleeep'; did you mean \"sleep\"?")
    assert executing(root, "/bin/sleeep") == expected


def test_no_such_directory(root):
    expected = failed("/opt/app/run", NOT_FOUND, "ROOT has no directory '/opt/app'; make it there, or mount it")
    assert executing(root, "/opt/app/run") == expected


def test_on_the_host():
    text = told("run", "--rm", "--", "/usr/bin/trueee", status=127)
    assert text == failed("/usr/bin/trueee", NOT_FOUND, "the host has no '/usr/bin/trueee'; did you mean \"true\"?")


@needs_program("aarch64-linux-gnu-gcc")
def test_a_program_for_another_machine(root):
    source = put(root / "main.c", "int main(void) { return 0; }\n")
    subprocess.run(["aarch64-linux-gnu-gcc", source, "-o", root / "bin/app"], check=True)
    rest = "'/bin/app' is a program for aarch64, and this machine is x86_64; take one for x86_64, or register an"
    expected = failed("app", NOT_A_PROGRAM, f"{rest} emulator: Debian's qemu-user-binfmt")
    assert executing(root, "app", status=126) == expected


@pytest.mark.parametrize(("machine", "name"), [(AARCH64, "aarch64"), (I386, "i386"), (4242, "machine 4242 of elf.h")])
def test_the_header_alone_tells_the_machine(root, machine, name):
    put(root / "bin/app", binary(machine))
    assert f"'/bin/app' is a program for {name}, and this machine is x86_64" in executing(root, "app", status=126)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("echo hello\n", "'/bin/app' is neither a program nor a script that begins with #!; begin it with a line"),
        ("", "'/bin/app' is empty; "),
        (binary(62)[:40], "'/bin/app' is damaged: it is for x86_64, and the kernel refuses it all the same; "),
    ],
)
def test_no_program_at_all(root, content, text):
    put(root / "bin/app", content)
    assert executing(root, "app", status=126).startswith(failed("app", NOT_A_PROGRAM, text))


def test_a_script_whose_interpreter_is_elsewhere(root):
    put(root / "srv/app", "#!/usr/bin/sh -eu\n")
    rest = "'/srv/app' is a script for '/usr/bin/sh', which ROOT does not have; write #!/bin/sh in its first line"
    assert executing(root, "/srv/app") == failed("/srv/app", NOT_FOUND, rest)


@pytest.mark.parametrize("more", BOTH)
def test_a_script_without_an_interpreter(root, more):
    put(root / "srv/app", "#!/usr/bin/ruby\n")
    rest = "'/srv/app' is a script for '/usr/bin/ruby', which ROOT does not have; install that, or take another"
    expected = failed("/srv/app", NOT_FOUND, f"{rest} interpreter")
    assert executing(root, "/srv/app", more=more) == expected


def test_a_script_with_the_line_ends_of_others(root):
    put(root / "srv/app", "#!/bin/sh\r\necho\r\n")
    rest = "the first line of '/srv/app' ends in a carriage return, so that its interpreter is '/bin/sh\\r'; give it"
    expected = failed("/srv/app", NOT_FOUND, rf"{rest} the line ends of Unix: sed -i 's/\r$//' /srv/app")
    assert executing(root, "/srv/app") == expected


def test_a_script_of_a_script(root):
    put(root / "bin/first", "#!/usr/bin/absent\n")
    put(root / "srv/app", "#!/bin/first\n")
    assert "'/bin/first' is a script for '/usr/bin/absent'" in executing(root, "/srv/app")


@needs_program("gcc")
def test_a_program_without_its_loader(root):
    source = put(root / "main.c", "int main(void) { return 0; }\n")
    subprocess.run(["gcc", source, "-o", root / "bin/app"], check=True)
    rest = "'/bin/app' is loaded by '/lib64/ld-linux-x86-64.so.2', which ROOT does not have; take a static program"
    expected = failed("app", NOT_FOUND, f"{rest}, or put the loader there with the libraries that `ldd` lists")
    assert executing(root, "app") == expected


@pytest.mark.parametrize(
    ("mode", "content", "rest"),
    [
        (0o644, "#!/bin/sh\n", "'/srv/app' has mode 0644: nobody may execute it; chmod +x /srv/app"),
        (None, "", "'/srv/app' is a directory; name a file in it"),
    ],
)
def test_what_nobody_may_execute(root, mode, content, rest):
    if mode is None:
        (root / "srv/app").mkdir()
    else:
        put(root / "srv/app", content, mode)
    assert executing(root, "/srv/app", status=126) == failed("/srv/app", DENIED, rest)


def test_a_directory_that_is_closed_to_the_user(root):
    put(root / "srv/app", "#!/bin/sh\n")
    (root / "srv").chmod(0o700)
    more = ("--set", "credentials.uid=1000", "--set", "credentials.gid=1000")
    rest = "'/srv' belongs to 0:0 and has mode 0700: user 1000 may not pass; chmod o+x /srv"
    assert executing(root, "/srv/app", more=more, status=126) == failed("/srv/app", DENIED, rest)


def test_a_mount_that_executes_nothing(root):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", root / "srv"], check=True)
    try:
        put(root / "srv/app", "#!/bin/sh\n")
        rest = "'/srv/app' lies on a mount with noexec; mount it without, or put the program elsewhere"
        assert executing(root, "/srv/app", status=126) == failed("/srv/app", DENIED, rest)
    finally:
        subprocess.run(["umount", root / "srv"], check=True)


def test_what_is_mounted_in_the_container_only_is_not_guessed(root, tmp_path):
    """Below a mount of the container's own the host's file may be another: its absence there tells nothing."""
    put(tmp_path / "tools/app", "#!/usr/bin/absent\n")
    features = [Chroot(str(root)), MountNamespace(), Mount(bind=[Bind(str(tmp_path / "tools"), "/srv/tools")])]
    text = error_of(lambda: run(*features, command=["/srv/tools/app"]), user=0)
    assert text.startswith(failed("/srv/tools/app", NOT_FOUND, "").rstrip(": "))
    assert "has no" not in text
    assert "no such file in the container, or its interpreter or loader is missing there" in text


@pytest.mark.parametrize("target", ["/usr/bin/env", "../../../../../../../../usr/bin/env"])
def test_links_are_followed_in_the_root(root, target):
    """The host has what they lead to."""
    (root / "srv/app").symlink_to(target)
    rest = f"'/srv/app' is a symbolic link to {target!r}, which ROOT does not have; put that there: links are followed"
    expected = failed("/srv/app", NOT_FOUND, f"{rest} in the container, not on the host")
    assert executing(root, "/srv/app") == expected


def test_links_of_proc_are_not_followed(root):
    """What cannot be looked at is not told, and the kernel's answer is."""
    (root / "srv/app").symlink_to("/dev/fd/9/bin/sh")
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev/fd").symlink_to("/proc/self/fd")
    assert executing(root, "/srv/app").startswith(failed("/srv/app", NOT_FOUND, ""))


def test_of_a_process_that_is_attached_the_containers_own_mounts_are_seen(root, tmp_path):
    put(tmp_path / "tools/app", "#!/usr/bin/absent\n")
    features = [Chroot(str(root)), MountNamespace(), Mount(bind=[Bind(str(tmp_path / "tools"), "/srv/tools")])]
    with started(*features, command=["/bin/sleep", "600"]) as running, pytest.raises(SetupError) as caught:
        run_attached(running, *features, command=["/srv/tools/app"])
    assert caught.value.cause == f"'/srv/tools/app' is a script for '/usr/bin/absent', which {root} does not have"
    assert caught.value.remedy == "install that, or take another interpreter"


def test_an_interpreter_that_nobody_may_execute(root):
    put(root / "srv/sh", "", 0o644)
    put(root / "srv/app", "#!/srv/sh\n")
    rest = "'/srv/sh' has mode 0644: nobody may execute it; chmod +x /srv/sh"
    assert executing(root, "/srv/app", status=126) == failed("/srv/app", DENIED, rest)
