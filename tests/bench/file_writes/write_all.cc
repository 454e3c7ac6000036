#include "tests/bench/file_writes/write_all.h"

#include <errno.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace weir {

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) WriteFailed(std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void WriteFailed(const std::string& why) {
  std::fprintf(stderr, "file_writes: cannot write: %s\n", why.c_str());
  _exit(1);  // other threads run
}

}  // namespace weir
