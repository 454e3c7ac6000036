"""A FUSE server for slow_fs.py, which starts it: `fuse_server.py FOLDER`.

FOLDER/mount shows what is in FOLDER/disk. A line on stdin is a command, answered
by a line on stdout; at stdin's end all is unmounted and FOLDER removed, so that
a test that is killed leaves nothing mounted.

It speaks the kernel's protocol itself (linux/fuse.h, 7.31), which needs neither a
library nor a program with the set-user-ID bit, and lets it choose whether it has
read a request: see SlowFs.hang().
"""

import ctypes
import errno
import os
import select
import shutil
import stat
import struct
import sys
import time

_MOST = 128 << 10  # bytes of a read or write
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_NO_FLUSH = 1 << 5  # FOPEN_NOFLUSH
_MODE, _UID, _GID, _SIZE = 1, 2, 4, 8  # FATTR_...
_NO_ANSWER = (2, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET
# What `fail` and `delay` name.
_KINDS = {"open": (14, 35), "write": (16,), "sync": (20,), "look": (1, 3)}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _name(body):
    return body.split(b"\0", 1)[0]


def _attributes(info):
    times = (info.st_atime_ns, info.st_mtime_ns, info.st_ctime_ns)
    return struct.pack(
        "=6Q10I", info.st_ino, info.st_size, info.st_blocks,
        *(t // 10**9 for t in times), *(t % 10**9 for t in times), info.st_mode,
        info.st_nlink, info.st_uid, info.st_gid, info.st_rdev, info.st_blksize, 0)


class Files:
    """The operations, on what is in a folder. Nodes are O_PATH descriptors, which
    stay open to the end: a test has few files. The kernel caches no name and no
    attribute, so that each look comes here."""

    def __init__(self, folder):
        self._nodes = {1: os.open(folder, os.O_PATH)}
        self._ids = {}
        self.operations = {
            1: self.lookup, 3: self.getattr, 4: self.setattr, 9: self.mkdir,
            10: self.unlink, 11: self.rmdir, 12: self.rename, 14: self.open,
            15: self.read, 16: self.write, 17: self.statfs, 18: self.release,
            20: self.fsync, 26: self.init, 27: self.opendir, 28: self.readdir,
            29: self.releasedir, 35: self.create, 45: self.rename2,
        }

    def _path(self, node):
        return "/proc/self/fd/%d" % self._nodes[node]

    def _entry(self, parent, name):
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=self._nodes[parent])
        info = os.fstat(fd)
        key = (info.st_dev, info.st_ino)
        if key in self._ids:
            os.close(fd)
        else:
            self._ids[key] = len(self._nodes) + 1
            self._nodes[self._ids[key]] = fd
        return struct.pack("=4Q2I", self._ids[key], 0, 0, 0, 0, 0) + _attributes(info)

    def init(self, _, body):
        major, _, ahead, flags = struct.unpack_from("=4I", body)
        return struct.pack("=4I2H2I2HI28x", major, 31, ahead, flags & (_BIG_WRITES | _MAX_PAGES),
                           16, 12, _MOST, 1, _MOST // 4096, 0, 0)

    def lookup(self, node, body):
        return self._entry(node, _name(body))

    def getattr(self, node, _):
        return struct.pack("=Q2I", 0, 0, 0) + _attributes(os.fstat(self._nodes[node]))

    def setattr(self, node, body):
        valid, _, size = struct.unpack_from("=Q2Q", body)
        mode, _, uid, gid = struct.unpack_from("=4I", body, 68)
        if valid & _SIZE:
            os.truncate(self._path(node), size)
        if valid & _MODE:
            os.chmod(self._path(node), stat.S_IMODE(mode))
        if valid & (_UID | _GID):
            os.chown(self._path(node), uid if valid & _UID else -1, gid if valid & _GID else -1)
        return self.getattr(node, body)

    def mkdir(self, node, body):
        os.mkdir(_name(body[8:]), struct.unpack_from("=I", body)[0], dir_fd=self._nodes[node])
        return self._entry(node, _name(body[8:]))

    def unlink(self, node, body):
        os.unlink(_name(body), dir_fd=self._nodes[node])

    def rmdir(self, node, body):
        os.rmdir(_name(body), dir_fd=self._nodes[node])

    def rename(self, node, body, names=8):
        old, new = body[names:].split(b"\0")[:2]
        os.rename(old, new, src_dir_fd=self._nodes[node],
                  dst_dir_fd=self._nodes[struct.unpack_from("=Q", body)[0]])

    def rename2(self, node, body):
        if struct.unpack_from("=I", body, 8)[0]:  # RENAME_...
            raise OSError(errno.EINVAL, "")
        self.rename(node, body, 16)

    # Where a close is told to the disk (FLUSH), the kernel waits for the answer
    # uninterruptibly, even at the end of a process: so it is not.

    def open(self, node, body):
        # The kernel says where each write goes.
        flags = struct.unpack_from("=I", body)[0] & ~(os.O_APPEND | os.O_NOFOLLOW)
        return struct.pack("=Q2I", os.open(self._path(node), flags), _NO_FLUSH, 0)

    def create(self, node, body):
        flags, mode = struct.unpack_from("=2I", body)
        fd = os.open(_name(body[16:]), flags & ~os.O_APPEND, stat.S_IMODE(mode),
                     dir_fd=self._nodes[node])
        return self._entry(node, _name(body[16:])) + struct.pack("=Q2I", fd, _NO_FLUSH, 0)

    def read(self, _, body):
        fd, offset, size = struct.unpack_from("=2QI", body)
        return os.pread(fd, size, offset)

    def write(self, _, body):
        fd, offset, size = struct.unpack_from("=2QI", body)
        return struct.pack("=2I", os.pwrite(fd, body[40:40 + size], offset), 0)

    def fsync(self, _, body):
        os.fdatasync(struct.unpack_from("=Q", body)[0])

    def release(self, _, body):
        os.close(struct.unpack_from("=Q", body)[0])

    def statfs(self, node, _):
        s = os.statvfs(self._path(node))
        return struct.pack("=5Q4I24x", s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree,
                           s.f_bsize, s.f_namemax, s.f_frsize, 0)

    def opendir(self, *_):
        return struct.pack("=Q2I", 0, 0, 0)

    def releasedir(self, *_):
        pass

    def readdir(self, node, body):
        _, offset, size = struct.unpack_from("=2QI", body)
        found = b""
        for i, name in enumerate(sorted(os.listdir(os.fsencode(self._path(node))))):
            entry = struct.pack("=2Q2I", i + 1, i + 1, len(name), 0) + name
            entry += bytes(-len(entry) % 8)
            if i >= offset and len(found) + len(entry) <= size:
                found += entry
        return found


class Server:
    """One thread, so requests are served one after another, as a disk does."""

    def __init__(self, folder):
        self._folder = folder
        self._mount = os.path.join(folder, "mount")
        disk = os.path.join(folder, "disk")
        os.mkdir(self._mount)
        os.mkdir(disk)
        self._files = Files(disk)
        self._fuse = os.open("/dev/fuse", os.O_RDWR)
        options = "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other" % (
            self._fuse, os.getuid(), os.getgid())
        no_suid_no_dev = 6
        _check(_libc.mount(b"weir-slow", self._mount.encode(), b"fuse.weir-slow", no_suid_no_dev,
                           options.encode()))
        self._reads = self._answers = True
        self._held = []
        self._delays = {}  # seconds, by operation
        self._errors = {}

    def run(self):
        """Until stdin ends."""
        self._serve()  # INIT, the kernel's first.
        self._say("mounted")
        while True:
            ready, _, _ = select.select([0, self._fuse] if self._reads else [0], [], [])
            if 0 in ready:
                command = self._line()
                if not command:
                    return
                self._say(self._command(*command.split()))
            else:
                self._serve()

    def close(self):
        detach = 2
        _check(_libc.umount2(self._mount.encode(), detach))
        os.close(self._fuse)
        shutil.rmtree(self._folder)

    def _line(self):
        line = b""
        while not line.endswith(b"\n"):
            piece = os.read(0, 1)
            if not piece:
                return ""
            line += piece
        return line.decode()

    def _say(self, text):
        os.write(1, text.encode() + b"\n")

    def _command(self, name, *values):
        if name == "hang":
            self._reads = self._answers = False
        elif name == "hang-taken":
            self._reads, self._answers = True, False
        elif name == "resume":
            self._reads = self._answers = True
            held, self._held = self._held, []
            for request in held:
                self._request(request)
        elif name == "delay":
            self._delays.update((code, float(values[1])) for code in _KINDS[values[0]])
        elif name == "fail":
            self._errors.update((code, int(values[1])) for code in _KINDS[values[0]])
        elif name == "waiting":
            unread, _, _ = select.select([self._fuse], [], [], 0)
            return str(len(self._held) + len(unread))
        else:
            return "unknown"
        return "ok"

    def _serve(self):
        self._request(os.read(self._fuse, _MOST + 4096))

    def _request(self, request):
        _, operation, unique, node = struct.unpack_from("=2I2Q", request)
        if operation in _NO_ANSWER:
            return
        if not self._answers:
            self._held.append(request)
            return
        time.sleep(self._delays.get(operation, 0))
        error, answer = self._errors.get(operation, 0), None
        if not error:
            error = errno.ENOSYS
            if operation in self._files.operations:
                error, answer = self._do(operation, node, request[40:])
        answer = answer or b""
        try:
            os.write(self._fuse, struct.pack("=IiQ", 16 + len(answer), -error, unique) + answer)
        except FileNotFoundError:
            pass  # Whoever asked was interrupted.

    def _do(self, operation, node, body):
        try:
            return 0, self._files.operations[operation](node, body)
        except OSError as problem:
            return problem.errno, None


def main():
    server = Server(sys.argv[1])
    try:
        server.run()
    finally:
        server.close()


if __name__ == "__main__":
    main()
