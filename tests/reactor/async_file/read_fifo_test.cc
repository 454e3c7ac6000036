// ReadFileNow() of a FIFO: it waits for the writer, as open(2) does.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "reactor/async_file/read_file.h"
#include "reactor/fd.h"

namespace weir {
namespace {

class ReadFifoTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = testing::TempDir() + "read_fifo.XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder + "/fifo";
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Reads on a thread of its own.
  std::future<absl::StatusOr<std::string>> Read() const {
    return std::async(std::launch::async, [path = path_] {
      return ReadFileNow(path, 100, std::chrono::seconds(30));
    });
  }

  // Waits for the reader, as open(2) does.
  UniqueFd Writer() const {
    return UniqueFd(open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  }

  std::string folder_;
  std::string path_;
};

TEST_F(ReadFifoTest, WaitsForItsWriter) {
  auto read = Read();
  UniqueFd writer = Writer();
  // The end of what nobody writes comes at once.
  EXPECT_EQ(read.wait_for(std::chrono::milliseconds(0)),
            std::future_status::timeout);
  EXPECT_EQ(write(writer.get(), "1", 1), 1);
  EXPECT_EQ(write(writer.get(), "2", 1), 1);
  writer.Reset();
  const absl::StatusOr<std::string> bytes = read.get();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, "12");
}

TEST_F(ReadFifoTest, IsEmptyWhenItsWriterWroteNothing) {
  auto read = Read();
  Writer();
  const absl::StatusOr<std::string> bytes = read.get();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, "");
}

TEST_F(ReadFifoTest, SaysThatNobodyWritesToIt) {
  const absl::Status status =
      ReadFileNow(path_, 100, std::chrono::seconds(1)).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_EQ(status.message(),
            absl::StrCat(path_,
                         ": not opened within 1 s: is it a FIFO that nobody "
                         "writes to, or does its file system hang?"));
  // Ends the thread that still waits.
  const UniqueFd writer(open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_TRUE(writer.valid());
}

}  // namespace
}  // namespace weir
