// Internal to reactor/. The file of a unix listener.

#ifndef REACTOR_SOCKET_FILE_H_
#define REACTOR_SOCKET_FILE_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/address.h"
#include "reactor/kernel.h"

namespace weir {

// Owns a socket's file: removes it when it is destroyed, unless another file
// has taken its name meanwhile. Movable.
class SocketFile {
 public:
  SocketFile() = default;  // of no file
  SocketFile(SocketFile&& other) noexcept
      : path_(std::exchange(other.path_, std::string())),
        device_(other.device_),
        inode_(other.inode_) {}
  SocketFile& operator=(SocketFile&& other) noexcept;
  ~SocketFile() { Remove(); }

  // Binds the socket `fd` to the path of `address` and listens, so that clients
  // find at the path a socket that answers, with its mode, or what was there
  // before (N03). A socket that nobody listens on any more is replaced. Errors:
  // EADDRINUSE (see ErrnoOf()) where somebody listens, FailedPrecondition where
  // there is another kind of file, else what a call said. Nothing is left
  // behind. Without `mode` the umask decides.
  static absl::StatusOr<SocketFile> Listen(Kernel& kernel, int fd,
                                           const Address& address, int backlog,
                                           std::optional<mode_t> mode);

 private:
  SocketFile(std::string path, const struct stat& file)
      : path_(std::move(path)), device_(file.st_dev), inode_(file.st_ino) {}
  void Remove();

  std::string path_;  // empty: of no file
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Asks by connecting whether somebody listens on a unix address: 0 when not,
// else the errno of the obstacle (EADDRINUSE, then `*holder` may become its
// process; EACCES and the like).
[[nodiscard]] int ProbeUnixListener(Kernel& kernel, const Address& address,
                                    pid_t* holder);

}  // namespace weir

#endif  // REACTOR_SOCKET_FILE_H_
