// Public. How programs learn which ports weir listens on, and that it does.

#ifndef PROXY_LIFECYCLE_PORTS_FILE_H_
#define PROXY_LIFECYCLE_PORTS_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace weir {

// A listening socket.
struct PortEntry {
  std::string name;     // of the forward, or "admin"
  std::string address;  // without brackets and port; for unix sockets the path
  uint16_t port = 0;    // 0 for unix sockets
};

// A line "NAME ADDRESS PORT" for each entry. White space and '%' in a path are
// written %20 and the like, so that a line always has three fields.
std::string FormatPorts(absl::Span<const PortEntry> entries);

// Writes FormatPorts() to a new file beside `path` and renames it: who finds
// the file finds all of it. Mode 0644 less the umask. An error names the flag,
// the path and the reason, and leaves nothing behind.
absl::Status WritePortsFile(const std::string& path,
                            absl::Span<const PortEntry> entries);

// Writes "ready\n" to `fd` and closes it (--ready_fd). Never blocks for long:
// the line fits any pipe that is not full. An error names the flag and the
// reason; `fd` is closed all the same.
absl::Status WriteReady(int fd);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_PORTS_FILE_H_
