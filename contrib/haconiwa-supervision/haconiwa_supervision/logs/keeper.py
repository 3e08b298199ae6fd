"""The log keeper: it reads what containers write, and writes it to files that are rotated and bounded.

A program of its own, python -I -S keeper.py DIRECTORY, with a connection as its standard input. It outlives the
supervisor that has started it, so that no line and no exit status is lost, and has imported as little as it can.

A line of a log is as the Container Runtime Interface has it: `2016-10-06T00:17:09.669794202Z stdout F text`, with
the tag P where the line goes on in the next one of its stream.

Each request is one message of words, with descriptors (unix(7), SCM_RIGHTS), and so is each answer, `ok ...` or
`error TEXT`:

    keep NAME SIZE FILES KIND...    with a descriptor for each KIND: the container's "directory", the read ends of the
                                    pipes "stdout" and "stderr" that are logged there, and what is only held: a "pidfd"
                                    of its first process, the socket "notify" that it sends messages to
    hold NAME KIND...               with those that are only held
    take INDEX                      answered by `ok NAME SIZE FILES KIND...` and descriptors, as for keep; by `ok`
                                    where no more are kept
    flush NAME                      answered when what was in its pipes is in its files
    forget NAME                     its pipes are still read until their ends
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import resource
import select
import stat
import struct
import sys
import time

SOCKET_NAME = "keeper"
LOCK_NAME = "keeper.lock"
LOG_NAME = "stream.log"
MAX_MESSAGE = 4096
MAX_DESCRIPTORS = 5

IDLE = 2.0
"""Seconds after which it ends, when it keeps nothing and nobody is connected."""

MIN_SIZE = 4096
"""Bytes of the smallest file of a log."""

LINE = 16 << 10
"""Bytes of the longest line; a longer one is written in parts, and so much of an unfinished one is held back."""

CHUNK = 64 << 10
"""Bytes that are read of one stream before it is another's turn."""

RATE = 16 << 20
"""Bytes a second that one container's log may grow by; its pipes hold back what writes faster."""

BURST = 16 << 20
"""Bytes that may be written at once after a rest."""

CHUNK_COST = 16 << 10
"""What a chunk is charged at least, and RENAME_COST each file that a rotation may rename: they take time, too."""

RENAME_COST = 1 << 10

_LOGGED = ("stdout", "stderr")
_HELD = ("pidfd", "notify")
_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FIONREAD = 0x541B
_LAST_DESCRIPTOR = 2**31 - 1


class Log:
    """The files of one container; each is opened when there is something to write, and closed again.

    So idle containers hold none open, a directory that is removed is simply gone, and what an earlier container has
    left behind may write to the files of a later one.
    """

    __slots__ = ("directory", "files", "is_kept", "lost", "reason", "since", "size", "streams", "tokens")

    def __init__(self, directory: int, size: int, files: int) -> None:
        self.directory = directory
        self.size = size
        self.files = files
        self.streams: list[Stream] = []
        self.is_kept = True
        self.tokens = float(BURST)
        self.since = time.monotonic()
        self.lost = 0
        self.reason = 0

    def append(self, text: bytes, taken: int) -> None:
        """Write whole lines, which hold so many bytes of the container's; what cannot be written is counted."""
        try:
            self._write(self._told_of_loss() + text)
            self.lost = 0
        except OSError as error:
            self.lost += taken
            self.reason = error.errno or 0
        now = time.monotonic()
        self.tokens = min(BURST, self.tokens + (now - self.since) * RATE) - max(len(text), CHUNK_COST)
        self.since = now

    def _told_of_loss(self) -> bytes:
        if not self.lost:
            return b""
        name = errno.errorcode.get(self.reason, str(self.reason))
        return _prefix(b"stderr", b"F") + f"haconiwa: {self.lost} bytes could not be written ({name})\n".encode()

    def _write(self, text: bytes) -> None:
        begin = 0
        while True:
            file = os.open(LOG_NAME, _LOG_FLAGS, 0o600, dir_fd=self.directory)
            try:
                status = os.fstat(file)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "not a regular file")
                end = _fitting(text, begin, self.size - status.st_size, may_be_longer=status.st_size == 0)
                _write_all_or_nothing(file, memoryview(text)[begin:end], status.st_size)
            finally:
                os.close(file)
            if end == len(text):
                return
            begin = end
            self._rotate()

    def _rotate(self) -> None:
        self.tokens -= self.files * RENAME_COST
        if self.files == 1:
            os.unlink(LOG_NAME, dir_fd=self.directory)
        for number in range(self.files - 1, 0, -1):
            older, newer = (f"{LOG_NAME}.{each}" if each else LOG_NAME for each in (number, number - 1))
            try:
                os.rename(newer, older, src_dir_fd=self.directory, dst_dir_fd=self.directory)
            except FileNotFoundError:
                continue  # There are not so many yet.


class Stream:
    """The read end of a pipe that a container writes to."""

    __slots__ = ("descriptor", "kind", "log", "rest")

    def __init__(self, descriptor: int, kind: str, log: Log) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.kind = b"stdout" if kind == "stdout" else b"stderr"
        self.log = log
        self.rest = b""

    def read(self, most: int = CHUNK) -> int:
        """Write what is there, at most so many bytes, to the log; return how many, 0 at the end of the stream.

        Raises:
            BlockingIOError: nothing is there.
        """
        chunk = os.read(self.descriptor, min(most, CHUNK, self.log.size))
        if chunk:
            data = self.rest + chunk
            text, self.rest = _in_lines(data, self.kind)
            self.log.append(text, len(data) - len(self.rest))
        return len(chunk)

    def cut(self) -> None:
        """Write the beginning of an unfinished line, too."""
        if self.rest:
            self.log.append(_prefix(self.kind, b"P") + self.rest + b"\n", len(self.rest))
            self.rest = b""


class Kept:
    """What is kept under a name: a log, the streams that lead to it, and descriptors that are only held."""

    __slots__ = ("held", "log", "streams")

    def __init__(self) -> None:
        self.log: Log | None = None
        self.streams: dict[str, Stream] = {}
        self.held: dict[str, int] = {}

    def open_streams(self) -> dict[str, Stream]:
        """Return those that have not ended."""
        return {kind: stream for kind, stream in self.streams.items() if stream in stream.log.streams}


class Keeper:
    """Serves connections and reads pipes, in one loop.

    Args:
        first: a connection that exists already.
        listener: where others connect.
    """

    def __init__(self, first: _socket.socket, listener: _socket.socket) -> None:
        self._epoll = select.epoll()
        self._listener = listener
        self._connections = {first.fileno(): first}
        self._streams: dict[int, Stream] = {}
        self._kept: dict[str, Kept] = {}
        self._paused: dict[Log, float] = {}
        for each in (first, listener):
            self._epoll.register(each.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Go on until there is nothing to do."""
        while True:
            events = self._epoll.poll(self._patience())
            if not events and not self._is_needed():
                return
            for descriptor, _ in events:
                # One that an earlier event has closed is in none of these.
                if stream := self._streams.get(descriptor):
                    self._read(stream)
                elif connection := self._connections.get(descriptor):
                    self._serve(connection)
                elif descriptor == self._listener.fileno():
                    self._accept()
            self._resume()

    def _is_needed(self) -> bool:
        return bool(self._kept or self._streams or self._connections)

    def _patience(self) -> float | None:
        if self._paused:
            return max(0.0, min(self._paused.values()) - time.monotonic())
        return None if self._is_needed() else IDLE

    def _read(self, stream: Stream) -> None:
        try:
            ended = not stream.read()
        except BlockingIOError:
            return  # The container has read it, or the number meant another file when the event was told.
        if ended:
            self._end(stream)
        elif stream.log.tokens < 0 and stream.log not in self._paused:
            self._pause(stream.log)

    def _pause(self, log: Log) -> None:
        for stream in log.streams:
            self._epoll.unregister(stream.descriptor)
        self._paused[log] = time.monotonic() - log.tokens / RATE

    def _resume(self) -> None:
        now = time.monotonic()
        for log in [log for log, until in self._paused.items() if until <= now]:
            del self._paused[log]
            for stream in log.streams:
                self._epoll.register(stream.descriptor, select.EPOLLIN)

    def _end(self, stream: Stream) -> None:
        stream.cut()
        log = stream.log
        if log.lost:
            log.append(b"", 0)  # There may be no other occasion to tell.
        log.streams.remove(stream)
        del self._streams[stream.descriptor]
        if log not in self._paused:
            # Closing is not enough: the supervisor has the pipe open, too.
            self._epoll.unregister(stream.descriptor)
        os.close(stream.descriptor)
        self._close_unused(log)

    def _close_unused(self, log: Log) -> None:
        if not log.is_kept and not log.streams:
            self._paused.pop(log, None)
            os.close(log.directory)

    def _accept(self) -> None:
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]  # the module socket is not imported
        except BlockingIOError:
            return  # Who wanted to connect has given up.
        connection = _socket.socket(fileno=descriptor)
        credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[1] != os.geteuid():
            connection.close()
            return
        self._connections[descriptor] = connection
        self._epoll.register(descriptor, select.EPOLLIN)

    def _serve(self, connection: _socket.socket) -> None:
        try:
            message, descriptors, whole = _receive(connection)
        except OSError:
            message, descriptors, whole = b"", [], False
        if not message or not whole:
            _close_all(descriptors)
            self._hang_up(connection)
            return
        sent: list[int] = []
        try:
            answer, sent = self._answer(message.decode().split(), descriptors)
        except (OSError, ValueError, KeyError) as error:
            answer = f"error {error!r}"
        _close_all(descriptors)
        ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(sent)}i", *sent))] if sent else []
        try:
            connection.sendmsg([answer.encode()], ancillary, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
        except OSError:
            self._hang_up(connection)

    def _hang_up(self, connection: _socket.socket) -> None:
        self._epoll.unregister(connection.fileno())
        del self._connections[connection.fileno()]
        connection.close()

    def _answer(self, words: list[str], descriptors: list[int]) -> tuple[str, list[int]]:
        """Do what is asked; of the descriptors, those that are left in the list are closed afterwards."""
        match words:
            case ["keep", name, size, files, *kinds] if len(descriptors) == len(kinds) == len(set(kinds)):
                self._keep(name, int(size), int(files), dict(zip(kinds, descriptors, strict=True)))
                descriptors.clear()
            case ["hold", name, *kinds] if len(descriptors) == len(kinds) == len(set(kinds)):
                self._hold(name, dict(zip(kinds, descriptors, strict=True)))
                descriptors.clear()
            case ["take", index]:
                return self._told(int(index))
            case ["flush", name]:
                self._flush(self._kept[name])
            case ["forget", name]:
                self._forget(name)
            case _:
                raise ValueError("no such request")
        return "ok", []

    def _keep(self, name: str, size: int, files: int, given: dict[str, int]) -> None:
        modes = {kind: os.fstat(descriptor).st_mode for kind, descriptor in given.items()}
        pipes = {kind: given[kind] for kind in _LOGGED if kind in given}
        if not (
            given.keys() <= {"directory", *_LOGGED, *_HELD}
            and all(stat.S_ISFIFO(modes[kind]) for kind in pipes)
            and ("directory" in given or not pipes)
            and ("directory" not in given or (stat.S_ISDIR(modes["directory"]) and size >= MIN_SIZE and files >= 1))
        ):
            raise ValueError("this cannot be kept")
        self._forget(name)
        kept = self._kept[name] = Kept()
        kept.held = {kind: given[kind] for kind in _HELD if kind in given}
        if "directory" in given:
            kept.log = Log(given["directory"], size, files)
            for kind, pipe in pipes.items():
                stream = kept.streams[kind] = Stream(pipe, kind, kept.log)
                kept.log.streams.append(stream)
                self._streams[pipe] = stream
                self._epoll.register(pipe, select.EPOLLIN)
            kept.log.append(b"", 0)  # There is a file from now on.

    def _hold(self, name: str, given: dict[str, int]) -> None:
        if not given or not given.keys() <= set(_HELD):
            raise ValueError("this cannot be held")
        kept = self._kept.setdefault(name, Kept())
        _close_all([kept.held[kind] for kind in given if kind in kept.held])
        kept.held.update(given)

    def _told(self, index: int) -> tuple[str, list[int]]:
        names = list(self._kept)[index : index + 1]
        if index < 0 or not names:
            return "ok", []
        kept = self._kept[names[0]]
        sent = {kind: stream.descriptor for kind, stream in kept.open_streams().items()}
        size = files = 0
        if kept.log is not None:
            sent["directory"] = kept.log.directory
            size, files = kept.log.size, kept.log.files
        sent.update(kept.held)
        return " ".join(("ok", *names, str(size), str(files), *sent)), list(sent.values())

    def _flush(self, kept: Kept) -> None:
        for stream in kept.open_streams().values():
            left = struct.unpack("i", fcntl.ioctl(stream.descriptor, _FIONREAD, bytes(4)))[0]
            try:
                while left > 0 and (taken := stream.read(left)):
                    left -= taken
            except BlockingIOError:
                pass  # A container can open its pipe and read, too (proc_pid_fd(5)).
            stream.cut()

    def _forget(self, name: str) -> None:
        kept = self._kept.pop(name, Kept())
        _close_all([*kept.held.values()])
        if kept.log is not None:
            kept.log.is_kept = False
            self._close_unused(kept.log)


def _prefix(kind: bytes, tag: bytes) -> bytes:
    seconds, rest = divmod(time.time_ns(), 10**9)
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"
    return b"%b %b %b " % (stamp.encode(), kind, tag)


def _in_lines(data: bytes, kind: bytes) -> tuple[bytes, bytes]:
    """Return the lines of a log that hold these bytes, and the beginning of a line that is held back."""
    full, part = _prefix(kind, b"F"), _prefix(kind, b"P")
    lines = []
    begin = 0
    while True:
        # As many whole lines as end within the bound: none of them can be longer.
        end = data.rfind(b"\n", begin, begin + LINE + 1)
        if end >= 0:
            lines += [full, data[begin:end].replace(b"\n", b"\n" + full), b"\n"]
            begin = end + 1
        elif len(data) - begin > LINE:
            lines += [part, data[begin : begin + LINE], b"\n"]
            begin += LINE
        else:
            return b"".join(lines), data[begin:]


def _fitting(text: bytes, begin: int, room: int, *, may_be_longer: bool) -> int:
    """Return where the lines end that have room; one that has room nowhere may be longer than a file should be."""
    if len(text) - begin <= room:
        return len(text)
    end = text.rfind(b"\n", begin, begin + max(room, 0)) + 1
    if end:
        return end
    return text.index(b"\n", begin) + 1 if may_be_longer else begin


def _write_all_or_nothing(file: int, text: memoryview, size: int) -> None:
    """Append to a file of this size; lines are written whole or, where there is no space, not at all."""
    try:
        while text:
            text = text[os.write(file, text) :]
    except OSError:
        os.ftruncate(file, size)
        raise


def _receive(connection: _socket.socket) -> tuple[bytes, list[int], bool]:
    """Return a message, its descriptors, and whether nothing of both was cut off."""
    room = _socket.CMSG_LEN(MAX_DESCRIPTORS * struct.calcsize("i"))
    asked = _socket.MSG_CMSG_CLOEXEC | _socket.MSG_DONTWAIT
    message, ancillary, flags, _ = connection.recvmsg(MAX_MESSAGE, room, asked)
    descriptors: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            descriptors += struct.unpack(f"{len(data) // struct.calcsize('i')}i", data)
    return message, descriptors, not flags & (_socket.MSG_TRUNC | _socket.MSG_CTRUNC)


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _listen(directory: int) -> _socket.socket:
    """Return the socket that later supervisors connect to."""
    if SOCKET_NAME in os.listdir(directory):
        os.unlink(SOCKET_NAME, dir_fd=directory)  # Of a keeper that was killed: the lock is this one's.
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_NONBLOCK)
    os.umask(0o177)
    # Thus no path is longer than an address can be.
    listener.bind(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
    listener.listen()
    return listener


def _let_go_of_the_caller() -> _socket.socket:
    """Keep nothing of the caller but the connection, which is returned."""
    os.closerange(3, _LAST_DESCRIPTOR)
    connection = _socket.socket(fileno=fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3))
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    os.chdir("/")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return connection


def main() -> None:
    """Become a process that is nobody's child, and keep logs unless another one does already."""
    if os.fork():
        os._exit(0)
    connection = _let_go_of_the_caller()
    directory = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    lock = os.open(LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        connection.send(b"busy")
        sys.exit(1)
    keeper = Keeper(connection, _listen(directory))
    connection.send(b"ok")
    keeper.run()
    os.unlink(SOCKET_NAME, dir_fd=directory)


if __name__ == "__main__":
    main()
