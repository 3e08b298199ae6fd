"""Why a command could not be executed: what the container has in its place (execve(2))."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from haconiwa_core.container import DEFAULT_PATH
from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.linux.process import set_gid, set_groups, set_uid
from haconiwa_core.options import suggestion
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.cause import Cause, Failure
from haconiwa_doctor.causes.programs import HEAD, Binary, Script, kind_of
from haconiwa_doctor.causes.view import View, view_of

_DEPTH = 5
"""The kernel follows so many interpreters of interpreters."""

_RETURN = "\r"


def look(failure: Failure) -> Cause | None:
    """Return what is wrong with the command's file, its interpreter or its loader, or what is there instead of it."""
    (candidates, *_) = failure.planned.step.arguments
    assert isinstance(candidates, tuple)
    with view_of(failure) as view:
        paths = [_absolute(failure.plan, str(path)) for path in candidates]
        for path in paths:
            found = view.open(path)
            if found is not None:
                os.close(found)
                return _of_file(failure.plan, view, path, failure.code, _DEPTH)
        return _of_nothing(failure.plan, view, paths) if failure.code == errno.ENOENT else None


def _absolute(plan: Plan, path: str) -> str:
    return os.path.join(plan.container.workdir, path)


def _of_nothing(plan: Plan, view: View, paths: list[str]) -> Cause:
    """Say that there is no such file, and what is near."""
    program = plan.container.command[0]
    for path in paths:
        if target := view.link_at(path):
            text = f"{path!r} is a symbolic link to {target!r}, which {view.where} does not have"
            return Cause(text, "put that there: links are followed in the container, not on the host")
    if "/" in program:
        folder, name = os.path.split(paths[0])
        found = view.open(folder)
        if found is None:
            return Cause(f"{view.where} has no directory {folder!r}", "make it there, or mount it")
        os.close(found)
        return Cause(f"{view.where} has no {paths[0]!r}", suggestion(name, view.names(folder)) or "put it there")
    searched = [os.path.dirname(path) for path in paths]
    others = [folder for folder in DEFAULT_PATH.split(":") if folder not in searched]
    named = ":".join(searched)
    for folder in others:
        if program in view.names(folder):
            remedy = f"add it to PATH in env, or give the whole path, {os.path.join(folder, program)!r}"
            return Cause(f"{view.where} has it in {folder}, which PATH={named} does not name", remedy)
    names = {name for folder in searched for name in view.names(folder)}
    hint = suggestion(program, sorted(names)) or "install it there, or give its whole path"
    return Cause(f"{view.where} has no {program!r} in any of PATH={named}", hint)


def _of_file(plan: Plan, view: View, path: str, code: int, depth: int) -> Cause | None:
    """Say what is wrong with a file that is there."""
    if code in (errno.EACCES, errno.EPERM) and (found := _denied(plan, view, path)):
        return found
    head = view.read(path, HEAD)
    if head is None or depth == 0:
        return None
    kind = kind_of(head, lambda size, offset: view.read(path, size, offset))
    if isinstance(kind, Script):
        return _of_script(plan, view, path, kind.interpreter, code, depth)
    if isinstance(kind, Binary):
        return _of_binary(plan, view, path, kind, code)
    if code != errno.ENOEXEC:
        return None
    if not head:
        return Cause(f"{path!r} is empty")
    remedy = "begin it with a line such as #!/bin/sh, or give its interpreter before it"
    return Cause(f"{path!r} is neither a program nor a script that begins with #!", remedy)


def _of_script(plan: Plan, view: View, path: str, interpreter: str, code: int, depth: int) -> Cause | None:
    if code == errno.ENOENT and interpreter.endswith(_RETURN):
        text = f"the first line of {path!r} ends in a carriage return, so that its interpreter is {interpreter!r}"
        return Cause(text, f"give it the line ends of Unix: sed -i 's/\\r$//' {path}")
    if not interpreter:
        return Cause(f"the first line of {path!r} names no interpreter", "write it behind #!")
    found = view.open(_absolute(plan, interpreter))
    if found is not None:
        os.close(found)
        return _of_file(plan, view, _absolute(plan, interpreter), code, depth - 1)
    if code != errno.ENOENT:
        return None
    name = os.path.basename(interpreter)
    elsewhere = (os.path.join(folder, name) for folder in DEFAULT_PATH.split(":") if name in view.names(folder))
    place = next(elsewhere, "")
    text = f"{path!r} is a script for {interpreter!r}, which {view.where} does not have"
    return Cause(text, f"write #!{place} in its first line" if place else "install that, or take another interpreter")


def _of_binary(plan: Plan, view: View, path: str, binary: Binary, code: int) -> Cause | None:
    machine = plan.host.machine
    if code == errno.ENOEXEC:
        if binary.machine == machine:
            return Cause(f"{path!r} is damaged: it is for {machine}, and the kernel refuses it all the same")
        text = f"{path!r} is a program for {binary.machine}, and this machine is {machine}"
        return Cause(text, f"take one for {machine}, or register an emulator: Debian's qemu-user-binfmt")
    if code != errno.ENOENT or not binary.loader:
        return None
    found = view.open(_absolute(plan, binary.loader))
    if found is not None:
        os.close(found)
        return None
    text = f"{path!r} is loaded by {binary.loader!r}, which {view.where} does not have"
    return Cause(text, "take a static program, or put the loader there with the libraries that `ldd` lists")


def _denied(plan: Plan, view: View, path: str) -> Cause | None:
    """Say what is between a user and a file: a directory, the file's mode, or its mount."""
    found = view.open(path)
    if found is None:
        return None
    try:
        status, mount = os.fstat(found), os.fstatvfs(found)
    finally:
        os.close(found)
    if stat.S_ISDIR(status.st_mode):
        return Cause(f"{path!r} is a directory", "name a file in it")
    if not stat.S_ISREG(status.st_mode):
        return Cause(f"{path!r} is no regular file")
    if mount.f_flag & os.ST_NOEXEC:
        return Cause(f"{path!r} lies on a mount with noexec", "mount it without, or put the program elsewhere")
    mode = stat.S_IMODE(status.st_mode)
    if not mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
        return Cause(f"{path!r} has mode {mode:04o}: nobody may execute it", f"chmod +x {path}")
    return _closed_to_user(plan, view, path, status)


def _closed_to_user(plan: Plan, view: View, path: str, status: os.stat_result) -> Cause | None:
    # In a user namespace ids on the host are others than those that the plan has.
    if any(item.flag == CLONE_NEWUSER for item in plan.facts.all(Namespace)):
        return None
    uid, gid = _last(plan, set_uid, plan.host.uid), _last(plan, set_gid, plan.host.gid)
    groups = {gid, *_last(plan, set_groups, ())}
    if uid == 0:
        return None
    for place, found in (*view.folders_above(path), (path, status)):
        shift = 6 if found.st_uid == uid else 3 if found.st_gid in groups else 0
        if not found.st_mode >> shift & 1:
            mode = f"belongs to {found.st_uid}:{found.st_gid} and has mode {stat.S_IMODE(found.st_mode):04o}"
            return Cause(f"{place!r} {mode}: user {uid} may not pass", f"chmod o+x {place}")
    return None


def _last(plan: Plan, function: object, default: Any) -> Any:
    """Return the argument of the last step with a function."""
    return next((item.step.arguments[0] for item in reversed(plan.steps) if item.step.function is function), default)
