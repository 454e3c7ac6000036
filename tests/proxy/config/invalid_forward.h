// Specs that are wrong, and what a person reads then: for the tests of it.

#ifndef TESTS_PROXY_CONFIG_INVALID_FORWARD_H_
#define TESTS_PROXY_CONFIG_INVALID_FORWARD_H_

#include <cstddef>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"

namespace weir {

// The spec with a '|' where the caret must point, and the message.
struct Invalid {
  std::string marked;
  std::string message;
};

inline std::ostream& operator<<(std::ostream& out, const Invalid& invalid) {
  return out << invalid.marked;
}

class InvalidForward : public testing::TestWithParam<Invalid> {
 protected:
  static void SaysSo() {
    std::string text = GetParam().marked;
    const size_t column = text.find('|');
    ASSERT_NE(column, std::string::npos);
    text.erase(column, 1);
    const absl::Status status = ParseForward(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(std::string(status.message()),
              GetParam().message + "\n  " + text + "\n  " +
                  std::string(column, ' ') + "^");
  }
};

}  // namespace weir

#endif  // TESTS_PROXY_CONFIG_INVALID_FORWARD_H_
