"""The broker of one terminal: it holds the master, logs what the container writes, and serves those who sit at it.

A program of its own, python -I -S broker.py NAME, with a socket as its standard input. It outlives the supervisor
that has started it, and ends with the container. The socket brings one message, `SIZE FILES` of the log, with
descriptors: the container's directory, the socket that others connect to, the master, the container's first process
and, from who has asked for the start, a first connection. Later it brings the exit status, when the supervisor has
cleaned up.

A connection is a socket that keeps messages apart (SOCK_SEQPACKET in unix(7)). The first byte of each says what it is:

    i BYTES     to the broker: what was typed
    s SIZE      to the broker: rows and columns of the terminal that this one is shown on
    o BYTES     from the broker: what the container has written
    e STATUS    from the broker, last: its exit status; -1 where nobody knows it

Who comes first is shown the end of what nobody has seen. What is typed waits in the broker as long as the container
does not read it; then it is not taken any more. A connection that does not take what is written holds the container
back until it has taken nothing for a second; then it is ended. So nobody can make this process grow, and nobody can
stop the container.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import select
import struct
import termios
import time

SOCKET_NAME = "terminal"
LOG_NAME = "stream.log"

INPUT, SIZE, OUTPUT, END = b"i", b"s", b"o", b"e"
WINDOW = struct.Struct("HH")
STATUS = struct.Struct("i")
UNKNOWN = -1

MESSAGE = 16 << 10
"""Bytes of the longest message, without its first."""

PATIENCE = 1.0
"""Seconds after which a connection is ended that takes nothing."""

CONNECTIONS = 64
_PENDING_OUTPUT = 1 << 20
_PENDING_INPUT = 64 << 10
_UNSEEN = 64 << 10
_LINE = 16 << 10
_PAUSE = 0.2
_AGAIN = 0.2
_LAST_DESCRIPTOR = 2**31 - 1
_DESCRIPTORS = 5
LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Log:
    """Lines of the Container Runtime Interface, in files that are rotated and bounded; `logs` reads them.

    Args:
        directory: the container's.
        size: bytes of a file, about.
        files: how many.
    """

    def __init__(self, directory: int, size: int, files: int) -> None:
        self._directory = directory
        self._size = size
        self._files = files
        self._lost = 0
        self.rest = b""
        """The beginning of a line, which is written when it is whole, or nothing follows for a while."""

    def take(self, data: bytes) -> None:
        """Write what the container has written."""
        lines, newline, self.rest = (self.rest + data).rpartition(b"\n")
        whole = _prefix(b"F")
        text = whole + lines.replace(b"\n", b"\n" + whole) + b"\n" if newline else b""
        while len(self.rest) >= _LINE:
            text += _prefix(b"P") + self.rest[:_LINE] + b"\n"
            self.rest = self.rest[_LINE:]
        if text:
            self._write(text)

    def cut(self) -> None:
        """Write the beginning of an unfinished line."""
        if self.rest:
            self._write(_prefix(b"P") + self.rest + b"\n")
            self.rest = b""

    def _write(self, text: bytes) -> None:
        try:
            file = self._opened()
            try:
                if self._lost:
                    os.write(file, _prefix(b"F") + b"haconiwa: %d bytes could not be written\n" % self._lost)
                    self._lost = 0
                view = memoryview(text)
                while view:
                    view = view[os.write(file, view) :]
            finally:
                os.close(file)
        except OSError:
            self._lost += len(text)

    def _opened(self) -> int:
        """Open the file that grows; one that is large enough becomes an older one."""
        file = os.open(LOG_NAME, LOG_FLAGS, 0o600, dir_fd=self._directory)
        if os.fstat(file).st_size < self._size:
            return file
        os.close(file)
        self._rotate()
        return os.open(LOG_NAME, LOG_FLAGS, 0o600, dir_fd=self._directory)

    def _rotate(self) -> None:
        names = [LOG_NAME, *(f"{LOG_NAME}.{number}" for number in range(1, self._files))]
        if self._files == 1:
            os.unlink(LOG_NAME, dir_fd=self._directory)
        for number in range(self._files - 1, 0, -1):
            try:
                os.rename(names[number - 1], names[number], src_dir_fd=self._directory, dst_dir_fd=self._directory)
            except FileNotFoundError:
                continue  # There are not so many yet.


class Connection:
    """Somebody who sits at the terminal."""

    def __init__(self, connected: _socket.socket, *, is_new: bool) -> None:
        connected.setblocking(False)
        self.socket = connected
        self.pending = bytearray()
        self.taken = time.monotonic()
        self.is_new = is_new
        """It has come to a screen that was filled before."""

    def send(self) -> None:
        """Send what it takes now.

        Raises:
            OSError: it has gone.
        """
        while self.pending:
            try:
                self.socket.send(OUTPUT + self.pending[:MESSAGE], _socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            del self.pending[:MESSAGE]
            self.taken = time.monotonic()


class Broker:
    """Serves connections until the container has ended.

    Args:
        supervisor: the socket to the one that keeps the container.
        listener: where others connect.
        master: of the terminal.
        pidfd: of the container's first process.
        log: takes what is written.
    """

    def __init__(self, supervisor: _socket.socket, listener: _socket.socket, master: int, pidfd: int, log: Log) -> None:
        self._supervisor = supervisor
        self._is_kept = True
        self._listener = listener
        self._master = master
        self._pidfd = pidfd
        self._log = log
        self._connections: dict[int, Connection] = {}
        self._input = bytearray()
        self._unseen = bytearray()
        self._status = UNKNOWN
        self._has_ended = False
        self._opens_at = 0.0

    def add(self, connected: _socket.socket, *, is_new: bool) -> None:
        """Let somebody sit at the terminal."""
        connection = self._connections[connected.fileno()] = Connection(connected, is_new=is_new)
        connection.pending += self._unseen
        self._unseen.clear()

    def run(self) -> None:
        """Go on until the container has ended, and the supervisor has told how, or has gone."""
        while self._is_kept or not self._has_ended:
            for descriptor, event in self._poll():
                if descriptor == self._master:
                    self._serve_master(event)
                elif descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor == self._pidfd:
                    self._end()
                elif descriptor == self._supervisor.fileno():
                    self._hear()
                elif connection := self._connections.get(descriptor):
                    self._serve(connection, event)
            self._end_silent()
        self._say_farewell()

    def _poll(self) -> list[tuple[int, int]]:
        now = time.monotonic()
        poll = select.poll()
        poll.register(self._listener.fileno(), select.POLLIN)
        if self._is_kept:
            poll.register(self._supervisor.fileno(), select.POLLIN)
        is_behind = any(len(each.pending) > _PENDING_OUTPUT for each in self._connections.values())
        if not self._has_ended:
            poll.register(self._pidfd, select.POLLIN)
            if now >= self._opens_at and (self._input or not is_behind):
                reading = 0 if is_behind else select.POLLIN
                poll.register(self._master, reading | (select.POLLOUT if self._input else 0))
        takes_input = len(self._input) < _PENDING_INPUT
        for descriptor, connection in self._connections.items():
            events = select.POLLOUT if connection.pending else 0
            poll.register(descriptor, events | (select.POLLIN if takes_input else 0))
        waits = [PATIENCE] if is_behind else []
        waits += [_PAUSE] if self._log.rest else []
        waits += [self._opens_at - now] if self._opens_at > now else []
        found = poll.poll(max(1, int(min(waits) * 1000)) if waits else None)
        if not found:
            self._log.cut()
        return found

    def _serve_master(self, event: int) -> None:
        if event & select.POLLOUT and self._input:
            try:
                del self._input[: os.write(self._master, self._input[:4096])]
            except BlockingIOError:
                pass  # The container does not read.
            except OSError:
                self._input.clear()  # Nobody has the terminal open.
        if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
            self._read()

    def _read(self) -> bool:
        """Read what the container has written; return whether there was something."""
        try:
            data = os.read(self._master, MESSAGE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            # Nobody has the terminal open; somebody in the container may open it again.
            self._opens_at = time.monotonic() + _AGAIN
            return False
        self._log.take(data)
        if not self._connections:
            self._unseen += data
            del self._unseen[:-_UNSEEN]
        for connection in tuple(self._connections.values()):
            connection.pending += data
            self._send(connection)
        return True

    def _send(self, connection: Connection) -> None:
        try:
            connection.send()
        except OSError:
            self._close(connection)

    def _serve(self, connection: Connection, event: int) -> None:
        if event & select.POLLOUT:
            self._send(connection)
        if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
            try:
                message = connection.socket.recv(1 + MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._close(connection)
            elif message[:1] == INPUT:
                self._input += message[1:]
            elif message[:1] == SIZE and len(message) == 1 + WINDOW.size:
                self._resize(connection, *WINDOW.unpack(message[1:]))

    def _resize(self, connection: Connection, rows: int, columns: int) -> None:
        present = struct.unpack_from("HH", fcntl.ioctl(self._master, termios.TIOCGWINSZ, bytes(8)))
        # Another size for a moment: what fills a screen draws it again for who has just come.
        if connection.is_new and present == (rows, columns) and rows:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns + 1, 0, 0))
        connection.is_new = False
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def _accept(self) -> None:
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]  # the module socket is not imported
        except (BlockingIOError, ConnectionAbortedError):
            return
        connected = _socket.socket(fileno=descriptor)
        credentials = connected.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[1] not in (0, os.geteuid()) or len(self._connections) >= CONNECTIONS:
            connected.close()
        else:
            self.add(connected, is_new=True)

    def _end(self) -> None:
        """Take what is left in the terminal of a container that has ended."""
        while self._read():
            pass
        self._log.cut()
        self._has_ended = True

    def _hear(self) -> None:
        """Take the exit status from the supervisor, which says nothing else, or note that it has gone."""
        try:
            message = self._supervisor.recv(STATUS.size)
        except OSError:
            message = b""
        if len(message) == STATUS.size:
            (self._status,) = STATUS.unpack(message)
        self._is_kept = False

    def _end_silent(self) -> None:
        deadline = time.monotonic() - PATIENCE
        for connection in tuple(self._connections.values()):
            if len(connection.pending) > _PENDING_OUTPUT and connection.taken < deadline:
                self._close(connection)

    def _say_farewell(self) -> None:
        """Let each take what it has not taken yet, for so long as it takes something, and tell the status."""
        for connection in tuple(self._connections.values()):
            connection.socket.settimeout(PATIENCE)
            try:
                while connection.pending:
                    connection.socket.send(OUTPUT + connection.pending[:MESSAGE], _socket.MSG_NOSIGNAL)
                    del connection.pending[:MESSAGE]
                connection.socket.send(END + STATUS.pack(self._status), _socket.MSG_NOSIGNAL)
            except OSError:
                continue  # It has gone, or does not take it.

    def _close(self, connection: Connection) -> None:
        self._connections.pop(connection.socket.fileno(), None)
        connection.socket.close()


def _prefix(tag: bytes) -> bytes:
    seconds, rest = divmod(time.time_ns(), 10**9)
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"
    return b"%b stdout %b " % (stamp.encode(), tag)


def _receive(connection: _socket.socket) -> tuple[list[int], list[int]]:
    """Return the numbers and descriptors of the first message."""
    room = _socket.CMSG_LEN(_DESCRIPTORS * STATUS.size)
    message, ancillary, _, _ = connection.recvmsg(MESSAGE, room, _socket.MSG_CMSG_CLOEXEC)
    descriptors = [number for _, _, data in ancillary for (number,) in STATUS.iter_unpack(data)]
    return [int(word) for word in message.split()], descriptors


def main() -> None:
    """Become a process that is nobody's child, and serve."""
    if os.fork():
        os._exit(0)
    os.closerange(3, _LAST_DESCRIPTOR)
    os.chdir("/")
    os.umask(0o077)
    supervisor = _socket.socket(fileno=fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3))
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    (size, files), (directory, listener, master, pidfd, *first) = _receive(supervisor)
    os.set_blocking(master, False)
    listening = _socket.socket(fileno=listener)
    listening.setblocking(False)
    broker = Broker(supervisor, listening, master, pidfd, Log(directory, size, files))
    for descriptor in first:
        broker.add(_socket.socket(fileno=descriptor), is_new=False)
    broker.run()


if __name__ == "__main__":
    main()
