#include "proxy/lifecycle/ports_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "proxy/config/spec_text.h"

namespace weir {
namespace {

absl::Status Failed(const std::string& what, int error) {
  return absl::Status(absl::ErrnoToStatusCode(error),
                      absl::StrCat(what, ": ", std::strerror(error)));
}

// 0 or an errno.
int WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    data.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

std::string Escape(const std::string& address) {
  std::string escaped;
  for (const char c : address) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '%') {
      escaped += c;
    } else {
      absl::StrAppendFormat(&escaped, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace

std::string FormatPorts(absl::Span<const PortEntry> entries) {
  std::string text;
  for (const PortEntry& entry : entries) {
    absl::StrAppend(&text, entry.name, " ", Escape(entry.address), " ",
                    entry.port, "\n");
  }
  return text;
}

absl::Status WritePortsFile(const std::string& path,
                            absl::Span<const PortEntry> entries) {
  const std::string what =
      absl::StrCat("cannot write --ports_file=", Printable(path));
  // In the same folder, for rename(2) stays within a file system; the pid keeps
  // two that start at once apart.
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  // What a killed process with our pid left is ours to replace.
  unlink(temporary.c_str());
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return Failed(what, errno);
  int error = WriteAll(fd, FormatPorts(entries));
  if (close(fd) != 0 && error == 0 && errno != EINTR) error = errno;
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
  }
  if (error != 0) {
    unlink(temporary.c_str());
    return Failed(what, error);
  }
  return absl::OkStatus();
}

absl::Status WriteReady(int fd) {
  const int error = WriteAll(fd, "ready\n");
  // A standard descriptor stays taken: what the process prints at the end must
  // not reach a client that got its number.
  const int null =
      fd <= STDERR_FILENO ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
  if (null >= 0) dup2(null, fd);
  close(null >= 0 ? null : fd);
  if (error == 0) return absl::OkStatus();
  return Failed(absl::StrCat("cannot write to --ready_fd=", fd), error);
}

}  // namespace weir
