"""Small peers for the tests: upstream servers on threads, and client helpers."""

import hashlib
import os
import random
import resource
import select
import socket
import struct
import tempfile
import threading
import time

from weir import LONG

# Both peers of each connection are in this process.
_HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_HARD, _HARD))


def free_port():
    """A TCP port that was free a moment ago, for programs that cannot take 0."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class DeadPort:
    """A TCP port that refuses connections, and that nobody else gets meanwhile."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))  # It does not listen.
        self.target = "127.0.0.1:%d" % self._socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


def connect(address, timeout=LONG):
    """A client socket: (host, port), or a path for AF_UNIX."""
    if isinstance(address, str):
        s = socket.socket(socket.AF_UNIX)
    else:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        s = socket.socket(family)
    s.settimeout(timeout)
    try:
        s.connect(address)
    except BaseException:
        s.close()
        raise
    return s


def read_exactly(s, count):
    data = bytearray()
    while len(data) < count:
        piece = s.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise AssertionError("end of stream after %d of %d bytes" % (len(data), count))
        data += piece
    return bytes(data)


def read_all(s):
    data = bytearray()
    while True:
        piece = s.recv(1 << 20)
        if not piece:
            return bytes(data)
        data += piece


def reset(s):
    """Closes with RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def round_trip(s, data=b"ping"):
    s.sendall(data)
    answer = read_exactly(s, len(data))
    if answer != data:
        raise AssertionError("echo of %r is %r" % (data[:40], answer[:40]))


def readable(sockets, timeout):
    """Those that can be read, or have failed, after at most `timeout` seconds.
    (select() takes no descriptor over 1,023.)"""
    by_fd = {s.fileno(): s for s in sockets}
    look = select.poll()
    for fd in by_fd:
        look.register(fd, select.POLLIN)
    return [by_fd[fd] for fd, _ in look.poll(timeout * 1000)]


class Standstill:
    """Says whether nothing has moved for half a second. Two looks at one figure
    may come before a busy machine moves anything."""

    def __init__(self):
        self._figure, self._since = None, time.monotonic()

    def __call__(self, figure):
        now = time.monotonic()
        if figure != self._figure:
            self._figure, self._since = figure, now
        return now - self._since >= 0.5


def send_some(s):
    """Sends until the queue of the non-blocking `s` is full; the bytes."""
    sent = 0
    try:
        while True:
            sent += s.send(b"x" * 65536)
    except BlockingIOError:
        return sent


def fill(s, proxy):
    """Sends until nothing moves any more, because the other end does not read."""
    fill_all([s], proxy)


def fill_all(sockets, proxy):
    """As fill(), of several at once."""
    for s in sockets:
        s.setblocking(False)
    still = Standstill()
    sent = 0

    def full(page):
        nonlocal sent
        sent += sum(send_some(s) for s in sockets)
        received = page.total("weir_received_bytes_total")
        # The first pages may come before the proxy has seen the first byte.
        return still((sent, received)) and received > 0

    proxy.wait_metric(full, "all queues to be full")


class Server:
    """Accepts on a thread and runs `handler(socket)` on a thread of its own for
    each connection, or keeps the connections in `accepted` if there is none."""

    def __init__(self, handler=None, unix=False, ipv6=False, backlog=4096):
        self._handler = handler
        self._directory = None
        if unix:
            self._directory = tempfile.mkdtemp(prefix="weir-peer-")
            self.address = os.path.join(self._directory, "s")
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(self.address)
            self.target = self.address
        else:
            self._socket = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
            self._socket.bind(("::1" if ipv6 else "127.0.0.1", 0))
            self.address = self._socket.getsockname()[:2]
            self.port = self.address[1]
            self.target = ("[%s]:%d" if ipv6 else "%s:%d") % self.address
        self._socket.listen(backlog)
        self._changed = threading.Condition()
        self.accepted = []
        self.errors = []
        self._threads = []
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close()
        if kind is None and self.errors:
            raise self.errors[0]

    def _accept(self):
        while True:
            try:
                s, _ = self._socket.accept()
            except OSError:
                return
            s.settimeout(LONG)
            with self._changed:
                if self._closing:
                    s.close()
                    return
                if self._handler is None:
                    self.accepted.append(s)
                    self._changed.notify_all()
            if self._handler is not None:
                threading.Thread(target=self._handle, args=(s,), daemon=True).start()

    def _handle(self, s):
        with s:  # Closed only when the error is known.
            try:
                self._handler(s)
            except Exception as error:  # Fails the test at the end, see __exit__.
                self.errors.append(error)

    def take(self, timeout=LONG):
        """The next accepted connection."""
        return self.take_many(1, timeout)[0]

    def take_many(self, count, timeout=LONG):
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.accepted) >= count, timeout):
                raise AssertionError("%d of %d connections came" % (len(self.accepted), count))
            taken, self.accepted = self.accepted[:count], self.accepted[count:]
            return taken

    def close(self):
        with self._changed:
            self._closing = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        self._thread.join(LONG)
        for s in self.accepted:
            s.close()
        if self._directory:
            os.unlink(self.address)
            os.rmdir(self._directory)


def echo(s):
    """A handler: sends back what comes, then the end of stream."""
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if s.family != socket.AF_UNIX else None
    while True:
        try:
            data = s.recv(1 << 16)
            if not data:
                return
            s.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            return


_BLOCK = random.Random(1).randbytes(1 << 20)


def send_stream(s, size, seed, half_way=None):
    """Sends `size` pseudo-random bytes in chunks of random sizes; the SHA-256.
    Calls half_way() there."""
    rng = random.Random(seed)
    digest = hashlib.sha256()
    view = memoryview(_BLOCK)
    left = size
    while left:
        if half_way and left <= size // 2:
            half_way()
            half_way = None
        longest = rng.choice((1, 100, 1460, 16384, 65536, 1 << 20))
        length = min(left, rng.randint(1, longest))
        start = rng.randint(0, len(_BLOCK) - length)
        piece = view[start:start + length]
        digest.update(piece)
        s.sendall(piece)
        left -= length
    return digest.hexdigest()


def receive_stream(s, seed=0):
    """Reads to the end of stream: (size, SHA-256)."""
    rng = random.Random(seed)
    digest = hashlib.sha256()
    size = 0
    buffer = bytearray(1 << 20)
    view = memoryview(buffer)
    while True:
        count = s.recv_into(view[:rng.choice((1 << 10, 1 << 14, 1 << 18, 1 << 20))])
        if not count:
            return size, digest.hexdigest()
        digest.update(view[:count])
        size += count


class Task(threading.Thread):
    """A thread whose result, or exception, join() hands over."""

    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self._function, self._args = function, args
        self._result = self._error = None
        self.start()

    def run(self):
        try:
            self._result = self._function(*self._args)
        except BaseException as error:
            self._error = error

    def result(self, timeout=LONG * 2):
        self.join(timeout)
        if self.is_alive():
            raise AssertionError("a peer is still busy after %d s" % timeout)
        if self._error:
            raise self._error
        return self._result
