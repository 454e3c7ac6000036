// Whether a file could be opened for appending, found out without doing so.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "reactor/async_file/async_file.h"
#include "reactor/async_file/completion.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "tests/reactor/async_file/async_file_rig.h"
#include "tests/support/as_nobody.h"

namespace weir {
namespace {

class AsyncFileTry : public AsyncFileContract {
 protected:
  absl::Status Try(const std::string& path) {
    std::optional<absl::Status> tried;
    AsyncFile::TryAppending(
        queue_.get(), path,
        [&tried](const absl::Status& status) { tried = status; });
    EXPECT_TRUE(RunUntil([&] { return tried.has_value(); }));
    return *tried;
  }
  // That it cannot be opened, found out either way.
  void ExpectError(const std::string& path, int error) {
    const absl::Status tried = Try(path);
    EXPECT_EQ(ErrnoOf(tried), error) << tried;
    EXPECT_EQ(TryOpen(path).status(), tried);
  }
};

TEST_P(AsyncFileTry, MakesNoFile) {
  std::filesystem::create_symlink("made", Path("link"));
  for (const std::string& path : {Path("new"), Path("link")}) {
    EXPECT_TRUE(Try(path).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_NE(Open(path), nullptr);
    EXPECT_TRUE(Try(path).ok());
  }
  EXPECT_TRUE(std::filesystem::exists(Path("made")));
}

TEST_P(AsyncFileTry, SaysWhyNot) {
  Put(Path("f"), "text");
  std::filesystem::create_symlink("gone/f", Path("link"));
  ExpectError(Path("gone/f"), ENOENT);
  ExpectError(Path("link"), ENOENT);
  ExpectError(Path("f/g"), ENOTDIR);
  ExpectError(folder_, EISDIR);
  ASSERT_EQ(mknod(Path("socket").c_str(), S_IFSOCK | 0600, 0), 0);
  ExpectError(Path("socket"), Signalled() ? ESPIPE : ENXIO);
}

TEST_P(AsyncFileTry, DoesNotOpenAFifo) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  const UniqueFd reader(
      open(Path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (Signalled()) return ExpectError(Path("fifo"), ESPIPE);
  EXPECT_TRUE(Try(Path("fifo")).ok());
  pollfd hung_up{.fd = reader.get(), .events = POLLIN};
  EXPECT_EQ(poll(&hung_up, 1, 0), 0);
  EXPECT_NE(Open(Path("fifo")), nullptr);
  ASSERT_TRUE(AwaitFileThread());
  EXPECT_EQ(poll(&hung_up, 1, 0), 1);
}

TEST_P(AsyncFileTry, KnowsWhatIsForbidden) {
  Put(Path("locked"), "");
  ASSERT_EQ(chmod(Path("locked").c_str(), 0444), 0);
  Put(Path("free"), "");
  ASSERT_EQ(chmod(Path("free").c_str(), 0222), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0500), 0);
  {
    const AsNobody nobody(folder_);
    ExpectError("locked", EACCES);
    ExpectError("new", EACCES);
    EXPECT_TRUE(Try("free").ok());
  }
  ASSERT_EQ(chmod(folder_.c_str(), 0700), 0);
}

INSTANTIATE_TEST_SUITE_P(All, AsyncFileTry, testing::ValuesIn(kAllCompletions),
                         CompletionTestName);

}  // namespace
}  // namespace weir
