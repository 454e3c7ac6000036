// For tests of what is forbidden: root may do everything, so somebody else
// tries.

#ifndef TESTS_SUPPORT_AS_NOBODY_H_
#define TESTS_SUPPORT_AS_NOBODY_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "reactor/fd.h"

namespace weir {

// While it lives, the process and the threads that it begins are nobody, if
// they were root, and work in `folder`, where nobody may look for names that he
// knows: the folders above it may forbid him that.
class AsNobody {
 public:
  explicit AsNobody(const std::string& folder)
      : before_(open(".", O_PATH | O_CLOEXEC)) {
    EXPECT_EQ(chdir(folder.c_str()), 0);
    if (!root_) return;
    EXPECT_EQ(chmod(".", 0711), 0);
    EXPECT_EQ(seteuid(65534), 0);
  }
  ~AsNobody() {
    if (root_) {
      EXPECT_EQ(seteuid(0), 0);
    }
    EXPECT_EQ(fchdir(before_.get()), 0);
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  const bool root_ = geteuid() == 0;
  const UniqueFd before_;
};

}  // namespace weir

#endif  // TESTS_SUPPORT_AS_NOBODY_H_
