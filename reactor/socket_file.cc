#include "reactor/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "reactor/address.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/socket_holder.h"

namespace weir {
namespace {

constexpr int kNameTries = 16;

std::string CannotListen(const Address& address) {
  return absl::StrCat("cannot listen on ", address.ToString());
}

bool IsSameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// A name in the directory of the path, for the time until the rename.
class TemporaryName {
 public:
  explicit TemporaryName(const std::string& path) {
    const size_t slash = path.rfind('/');
    directory_ = slash == path.npos ? "." : path.substr(0, slash + 1);
    if (slash != path.npos) prefix_ = directory_;
  }
  // Removes the file, if it is still there.
  ~TemporaryName() {
    if (bound_) unlink(path_.c_str());
  }
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;

  // Binds `fd` to a name that is free. Returns an errno.
  int Bind(Kernel& kernel, int fd) {
    for (int i = 0; i < kNameTries; ++i) {
      const std::string name = absl::StrCat(".weir-", getpid(), "-", i);
      path_ = prefix_ + name;
      const int error = BindTo(kernel, fd, name);
      if (error != EADDRINUSE) {
        bound_ = error == 0;
        return error;
      }
    }
    return EADDRINUSE;
  }

  // Gives the file the name `path`, which nothing has. Returns an errno:
  // EADDRINUSE when something has it.
  int RenameTo(const std::string& path) {
    if (Rename(path, RENAME_NOREPLACE) != 0) {
      if (errno == EEXIST) return EADDRINUSE;
      if (!LacksFlag(errno) || Rename(path, 0) != 0) return errno;
    }
    bound_ = false;
    return 0;
  }

  // Gives the file the name `path`, which the socket `stale` has, and removes
  // that. Returns an errno: EADDRINUSE when something else has the name now.
  int Replace(const std::string& path, const struct stat& stale) {
    if (Rename(path, RENAME_EXCHANGE) != 0) {
      if (errno == ENOENT) return RenameTo(path);  // it is gone
      if (!LacksFlag(errno) || Rename(path, 0) != 0) return errno;
      bound_ = false;
      return 0;
    }
    struct stat replaced;
    if (lstat(path_.c_str(), &replaced) != 0 || IsSameFile(replaced, stale)) {
      return 0;  // the destructor removes it
    }
    // A process that started at the same time found the same stale socket and
    // was faster: its live one goes back. (A third one that does the same in
    // this very instant could still win over it.)
    if (Rename(path, RENAME_EXCHANGE) != 0) {
      bound_ = false;  // not ours to remove
      Rename(path, 0);
    }
    return EADDRINUSE;
  }

  const std::string& path() const { return path_; }

 private:
  // Some file systems and old kernels know no flags.
  static bool LacksFlag(int error) {
    return error == EINVAL || error == ENOSYS;
  }

  // Sets errno.
  int Rename(const std::string& path, unsigned flags) const {
    if (flags == 0) return rename(path_.c_str(), path.c_str());
    return renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), flags);
  }

  int BindTo(Kernel& kernel, int fd, const std::string& name) const {
    absl::StatusOr<Address> address = Address::UnixPath(path_);
    UniqueFd directory;
    if (!address.ok()) {
      // The path has room, this name has not: a short way to the same place.
      directory =
          UniqueFd(open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!directory) return errno;
      address = Address::UnixPath(
          absl::StrCat("/proc/self/fd/", directory.get(), "/", name));
      if (!address.ok()) return ENAMETOOLONG;
    }
    return kernel.Bind(fd, address->data(), address->size()).error;
  }

  std::string directory_;
  std::string prefix_;
  std::string path_;
  bool bound_ = false;
};

}  // namespace

int ProbeUnixListener(Kernel& kernel, const Address& address, pid_t* holder) {
  const SysResult made =
      kernel.Socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (!made.ok()) return made.error;
  const UniqueFd probe(static_cast<int>(made.value), kernel);
  switch (
      const int error =
          kernel.Connect(probe.get(), address.data(), address.size()).error) {
    case ECONNREFUSED:
    case ENOENT:
      return 0;
    case 0: {
      ucred peer{};
      socklen_t size = sizeof(peer);
      if (kernel.GetSockOpt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size)
              .ok()) {
        *holder = peer.pid;
      }
      return EADDRINUSE;
    }
    case EAGAIN:      // its backlog is full
    case EPROTOTYPE:  // it takes datagrams
      return EADDRINUSE;
    default:
      return error;
  }
}

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  if (this != &other) {
    Remove();
    path_ = std::exchange(other.path_, std::string());
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

void SocketFile::Remove() {
  struct stat file;
  if (!path_.empty() && lstat(path_.c_str(), &file) == 0 &&
      file.st_dev == device_ && file.st_ino == inode_) {
    unlink(path_.c_str());
  }
  path_.clear();
}

absl::StatusOr<SocketFile> SocketFile::Listen(Kernel& kernel, int fd,
                                              const Address& address,
                                              int backlog,
                                              std::optional<mode_t> mode) {
  const std::string path(address.unix_path());
  const std::string what = CannotListen(address);

  struct stat before;
  const bool stale = lstat(path.c_str(), &before) == 0;
  if (!stale && errno != ENOENT) return ErrnoStatus(errno, what);
  if (stale) {
    if (!S_ISSOCK(before.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, ": the file of this name is not a socket"));
    }
    pid_t holder = 0;
    const int error = ProbeUnixListener(kernel, address, &holder);
    if (error != 0) return ErrnoStatus(error, what, ProcessHint(holder));
  }

  TemporaryName temporary(path);
  int error = temporary.Bind(kernel, fd);
  if (error != 0) return ErrnoStatus(error, what);
  if (mode.has_value() && chmod(temporary.path().c_str(), *mode) != 0) {
    return ErrnoStatus(errno, what);
  }
  error = kernel.Listen(fd, backlog).error;
  if (error != 0) return ErrnoStatus(error, what);
  struct stat file;
  if (lstat(temporary.path().c_str(), &file) != 0) {
    return ErrnoStatus(errno, what);
  }
  error = stale ? temporary.Replace(path, before) : temporary.RenameTo(path);
  if (error != 0) return ErrnoStatus(error, what);
  return SocketFile(path, file);
}

}  // namespace weir
