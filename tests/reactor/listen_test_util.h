// For the tests of listeners and of sockets' options.

#ifndef TESTS_REACTOR_LISTEN_TEST_UTIL_H_
#define TESTS_REACTOR_LISTEN_TEST_UTIL_H_

#include <errno.h>
#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "reactor/address.h"
#include "reactor/fd.h"
#include "reactor/listen.h"

namespace weir {

inline int IntOption(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

// Connects with a blocking socket.
inline UniqueFd Client(const Address& address, int* error = nullptr) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int result = connect(fd.get(), address.data(), address.size());
  if (error != nullptr) *error = result == 0 ? 0 : errno;
  return fd;
}

inline std::string ErrorOf(const absl::StatusOr<ListeningSocket>& listener) {
  return listener.ok() ? "no error" : std::string(listener.status().message());
}

}  // namespace weir

#endif  // TESTS_REACTOR_LISTEN_TEST_UTIL_H_
