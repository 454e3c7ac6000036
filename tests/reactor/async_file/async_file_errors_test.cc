#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "reactor/async_file/async_file.h"
#include "reactor/async_file/completion.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "tests/reactor/async_file/async_file_rig.h"

namespace weir {
namespace {

using OpenFor = AsyncFile::OpenFor;

// Until it is destroyed; of this process.
class SoftLimit {
 public:
  SoftLimit(__rlimit_resource what, rlim_t limit) : what_(what) {
    EXPECT_EQ(getrlimit(what_, &before_), 0);
    const rlimit now = {limit, before_.rlim_max};
    EXPECT_EQ(setrlimit(what_, &now), 0);
  }
  ~SoftLimit() { EXPECT_EQ(setrlimit(what_, &before_), 0); }

 private:
  const __rlimit_resource what_;
  rlimit before_{};
};

TEST_P(AsyncFileContract, ErrorsAreStatuses) {
  const File file = Wrap(
      UniqueFd(open(Path("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)),
      true);
  for (const int error : {EIO, EDQUOT, ENOSPC}) {
    calls_.Fail(error, 1);
    EXPECT_EQ(ErrnoOf(Append(file.get(), "x").status), error);
    calls_.Fail(error, 1);
    const AsyncFile::Result written = Write(file.get(), 0, "yz");
    EXPECT_EQ(ErrnoOf(written.status), error);
    EXPECT_EQ(written.size, 0u);
    EXPECT_EQ(written.buffer, "yz");  // all of it, to be written elsewhere
    calls_.Fail(error, 1);
    const AsyncFile::Result read = Read(file.get(), 0, 2);
    EXPECT_EQ(ErrnoOf(read.status), error);
    EXPECT_EQ(read.buffer, "");
    calls_.Fail(error, 1);
    EXPECT_EQ(ErrnoOf(Sync(file.get()).status), error);
  }
  EXPECT_EQ(Metric("file_request_errors_total"), 12);
  calls_.Fail(EIO, 1);
  EXPECT_EQ(Append(file.get(), "x").status.message(),
            "cannot write: Input/output error");
  // And the next one is none the worse.
  EXPECT_TRUE(Append(file.get(), "good").status.ok());
  EXPECT_EQ(Contents(Path("f")), "good");
}

TEST_P(AsyncFileContract, RefusedForWantOfRoomIsTriedAgain) {
  const File file = Open(Path("f"));
  calls_.Refuse(EAGAIN, 3);
  const AsyncFile::Result result = Append(file.get(), "once");
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(Contents(Path("f")), "once");
  EXPECT_EQ(Metric("file_resubmissions_total"), 3);
  EXPECT_EQ(calls_.submissions(), 4);
}

TEST_P(AsyncFileContract, RefusedForAnythingElseIsAStatus) {
  const File file = Open(Path("f"));
  calls_.Refuse(ENOSYS, 1);
  Outcome outcome;
  ASSERT_TRUE(file->Append("x", Into(&outcome)).ok());
  EXPECT_FALSE(outcome.has_value());  // in a later callback, as always
  ASSERT_TRUE(RunUntilOver(outcome));
  EXPECT_EQ(ErrnoOf(outcome->status), ENOSYS);
  EXPECT_EQ(Metric("file_unnoticed_total"), 0);  // no notice was to come
}

TEST_P(AsyncFileContract, EndedForWantOfRoomIsTriedAgain) {
  const File file = Open(Path("f"));
  calls_.Fail(EAGAIN, 2);
  const AsyncFile::Result result = Append(file.get(), "once");
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(Contents(Path("f")), "once");
}

TEST_P(AsyncFileContract, FullQueueIsResourceExhausted) {
  File file = Open(Path("f"));
  calls_.Hang();
  std::vector<Outcome> outcomes(64);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    // Some are submitted, some wait for their turn.
    const absl::Status taken = i % 2 == 0
                                   ? file->Append("a", Into(&outcomes[i]))
                                   : file->Write(i, "w", Into(&outcomes[i]));
    ASSERT_TRUE(taken.ok()) << taken;
  }
  const auto never = [](AsyncFile::Result) { FAIL(); };
  EXPECT_TRUE(absl::IsResourceExhausted(file->Append("x", never)));
  EXPECT_TRUE(absl::IsResourceExhausted(file->Write(0, "x", never)));
  EXPECT_TRUE(absl::IsResourceExhausted(file->Read(0, 1, never)));
  EXPECT_TRUE(absl::IsResourceExhausted(file->Sync(never)));
  std::vector<AsyncFile::Part> parts;
  parts.push_back({0, 1, never});
  EXPECT_TRUE(absl::IsResourceExhausted(file->ReadList(std::move(parts))));
  calls_.LetGo();
  ASSERT_TRUE(RunUntil([&] { return queue_->size() == 0; }));
  EXPECT_TRUE(Append(file.get(), "x").status.ok());
}

TEST_P(AsyncFileContract, DeviceIsFull) {
  const File file = Wrap(UniqueFd(open("/dev/full", O_WRONLY | O_CLOEXEC)));
  const AsyncFile::Result result = Append(file.get(), "x");
  EXPECT_EQ(ErrnoOf(result.status), ENOSPC) << result.status;
  EXPECT_EQ(result.size, 0u);
}

TEST_P(AsyncFileContract, DiskIsFull) {
  ASSERT_EQ(mkdir(Path("disk").c_str(), 0700), 0);
  if (mount("weir", Path("disk").c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "mounts nothing";
  }
  const absl::Cleanup unmount = [this] {
    EXPECT_EQ(umount2(Path("disk").c_str(), MNT_DETACH), 0);
  };
  File file = Open(Path("disk/f"));
  const AsyncFile::Result result =
      Append(file.get(), std::string(100'000, 'x'));
  EXPECT_EQ(ErrnoOf(result.status), ENOSPC) << result.status;
  EXPECT_EQ(result.size, std::filesystem::file_size(Path("disk/f")));
  EXPECT_GT(result.size, 0u);
  EXPECT_EQ(result.buffer.size(), 100'000u);
}

TEST_P(AsyncFileContract, FileIsTooLarge) {
  constexpr size_t kMost = 16 * 1024 * 1024;
  const File file = Wrap(
      UniqueFd(open(Path("f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)),
      true);
  AsyncFile::Result result;
  {
    const SoftLimit limit(RLIMIT_FSIZE, kMost);
    result = Write(file.get(), kMost - 10, std::string(20, 'x'));
  }
  EXPECT_EQ(ErrnoOf(result.status), EFBIG) << result.status;
  EXPECT_EQ(result.size, 10u);
}

TEST_P(AsyncFileContract, DescriptorIsForReading) {
  const File file = Wrap(UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)));
  EXPECT_EQ(ErrnoOf(Append(file.get(), "x").status), EBADF);
}

TEST_P(AsyncFileContract, WhatCannotBeOpenedIsNamed) {
  const auto missing = TryOpen(Path("no/f"));
  EXPECT_EQ(missing.status().message(),
            absl::StrCat("cannot open ", Path("no/f"),
                         ": No such file or directory"));
  for (const OpenFor how : {OpenFor::kReading, OpenFor::kAppending}) {
    const auto folder = TryOpen(folder_, how);
    EXPECT_EQ(folder.status().message(),
              absl::StrCat("cannot open ", folder_, ": Is a directory"));
  }
  // Only what is appended to is made.
  EXPECT_EQ(ErrnoOf(TryOpen(Path("g"), OpenFor::kReading).status()), ENOENT);
  const File made = Open(Path("g"));
  struct stat info {};
  ASSERT_EQ(stat(Path("g").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0137, 0u);
}

// With no room for the signal the system reports a write that was made as
// EAGAIN. It is in the file once, and nobody waits for room.
TEST_P(AsyncFileContract, QueueOfSignalsIsFull) {
  Put(Path("f"), "before\n");
  const File file = Open(Path("f"));
  std::string expected = "before\n";
  const SoftLimit limit(RLIMIT_SIGPENDING, 0);
  for (const char* const line : {"one\n", "two\n", "three\n"}) {
    const AsyncFile::Result result = Append(file.get(), line);
    EXPECT_TRUE(result.status.ok()) << result.status;
    expected += line;
  }
  EXPECT_TRUE(Sync(file.get()).status.ok());
  EXPECT_EQ(Contents(Path("f")), expected);
  EXPECT_EQ(Metric("file_resubmissions_total"), Signalled() ? 4 : 0);
}

// What was read from a pipe cannot be read again.
TEST_P(AsyncFileContract, QueueOfSignalsIsFullForAPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd in(ends[1]);
  const File file = Wrap(UniqueFd(ends[0]));
  const SoftLimit limit(RLIMIT_SIGPENDING, 0);
  ASSERT_EQ(write(in.get(), "abc", 3), 3);
  EXPECT_EQ(Read(file.get(), 0, 3).buffer, "abc");
}

INSTANTIATE_TEST_SUITE_P(All, AsyncFileContract,
                         testing::ValuesIn(kAllCompletions),
                         CompletionTestName);

}  // namespace
}  // namespace weir
