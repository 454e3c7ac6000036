#include "reactor/async_file/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "reactor/async_file/completion.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "tests/reactor/async_file/async_file_rig.h"

namespace weir {
namespace {

constexpr size_t kMost = 16 * 1024 * 1024;

// Different at each place.
std::string Bytes(size_t size) {
  std::string bytes;
  bytes.reserve(size + 16);
  while (bytes.size() < size) absl::StrAppend(&bytes, bytes.size(), ",");
  bytes.resize(size);
  return bytes;
}

class ReadFileTest : public AsyncFileContract {
 protected:
  using ReadBytes = absl::StatusOr<std::string>;

  void Start(const std::string& path, size_t most = kMost) {
    read_.reset();
    ReadFile(queue_.get(), path, most,
             [this](ReadBytes bytes) { read_ = std::move(bytes); });
  }
  ReadBytes Wait() {
    EXPECT_TRUE(RunUntil([&] { return read_.has_value(); }));
    return read_.has_value() ? *read_ : absl::UnknownError("never");
  }

  std::optional<ReadBytes> read_;
};

TEST_P(ReadFileTest, GivesTheBytes) {
  // Nothing, one piece, exactly one, a bit more, and more than the queue has
  // requests for, were pieces not larger then.
  for (const size_t size : {0, 10, 65536, 65537, 200'000, 8 * 1024 * 1024}) {
    const std::string bytes = Bytes(size);
    Put(Path("f"), bytes);
    Start(Path("f"));
    const ReadBytes read = Wait();
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == bytes) << size << " and " << read->size();
  }
  EXPECT_EQ(queue_->size(), 0u);
}

TEST_P(ReadFileTest, ContinuesShortReads) {
  const std::string bytes = Bytes(1000);
  Put(Path("f"), bytes);
  calls_.Shorten(300);
  Start(Path("f"));
  const ReadBytes read = Wait();
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, bytes);
}

TEST_P(ReadFileTest, SaysThatItChangedMeanwhile) {
  for (const bool grows : {true, false}) {
    Put(Path("f"), Bytes(100'000));
    calls_.Hang();
    Start(Path("f"));
    ASSERT_TRUE(RunUntil([&] { return queue_->size() == 3; }));
    std::filesystem::resize_file(Path("f"), grows ? 100'001 : 99'999);
    calls_.LetGo();
    EXPECT_EQ(Wait().status().message(),
              absl::StrCat(Path("f"), grows ? ": grew" : ": shrank",
                           " while it was read; write it elsewhere and rename "
                           "it"));
  }
}

TEST_P(ReadFileTest, SaysWhatIsWrong) {
  Put(Path("f"), "12345");
  Start(Path("f"), 4);
  EXPECT_EQ(Wait().status().message(),
            absl::StrCat(Path("f"), ": larger than 4 bytes"));
  Start(Path("f"), 5);
  EXPECT_TRUE(Wait().ok());
  Start(Path("missing"));
  EXPECT_EQ(Wait().status().message(),
            absl::StrCat("cannot open ", Path("missing"),
                         ": No such file or directory"));
  Start(folder_);
  EXPECT_EQ(Wait().status().message(),
            absl::StrCat("cannot open ", folder_, ": Is a directory"));
  calls_.Fail(EIO, 1);
  Start(Path("f"));
  EXPECT_EQ(Wait().status().message(),
            absl::StrCat(Path("f"), ": cannot read: Input/output error"));
}

TEST_P(ReadFileTest, PipeIsReadToItsEnd) {
  for (const bool too_large : {false, true}) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd out(ends[0]);
    UniqueFd in(ends[1]);
    Start(absl::StrCat("/proc/self/fd/", out.get()),
          too_large ? 150'000 : kMost);
    const std::string bytes = Bytes(200'000);
    std::thread writer([&] {
      for (size_t at = 0; at < bytes.size();) {
        const ssize_t n = write(in.get(), &bytes[at], bytes.size() - at);
        if (n <= 0) break;
        at += static_cast<size_t>(n);
      }
      in.Reset();
    });
    const ReadBytes read = Wait();
    if (too_large) {
      EXPECT_TRUE(absl::IsOutOfRange(read.status())) << read.status();
      char rest[4096];
      while (::read(out.get(), rest, sizeof(rest)) > 0) {
      }
    } else {
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_TRUE(*read == bytes) << read->size();
    }
    writer.join();
  }
}

// The queue goes first: nobody is told, and all that is freed is.
TEST_P(ReadFileTest, QueueMayEndMeanwhile) {
  Put(Path("f"), Bytes(200'000));
  calls_.Hang();
  Start(Path("f"));
  ASSERT_TRUE(RunUntil([&] { return queue_->size() > 0; }));
  queue_.reset();
  calls_.LetGo();
  EXPECT_FALSE(read_.has_value());
}

INSTANTIATE_TEST_SUITE_P(All, ReadFileTest, testing::ValuesIn(kAllCompletions),
                         CompletionTestName);

TEST(ReadFileNowTest, GivesTheBytes) {
  const std::string path = testing::TempDir() + "read_file_now";
  const std::string bytes = Bytes(200'000);
  std::ofstream(path) << bytes;
  const auto read = ReadFileNow(path, kMost, std::chrono::seconds(30));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(*read == bytes);
  EXPECT_TRUE(absl::IsOutOfRange(
      ReadFileNow(path, 10, std::chrono::seconds(30)).status()));
  std::filesystem::remove(path);
  EXPECT_TRUE(absl::IsNotFound(
      ReadFileNow(path, 10, std::chrono::seconds(30)).status()));
}

// A pipe that nobody writes to and nobody closes.
TEST(ReadFileNowTest, DoesNotWaitForEver) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd out(ends[0]), in(ends[1]);
  const std::string path = absl::StrCat("/proc/self/fd/", out.get());
  const auto read = ReadFileNow(path, kMost, std::chrono::seconds(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(read.status())) << read.status();
  EXPECT_EQ(
      read.status().message(),
      absl::StrCat(path, ": not read within 1 s: does its file system hang?"));
}

}  // namespace
}  // namespace weir
