// Cancellation, and files and queues that are destroyed while requests go on.

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "reactor/async_file/async_file.h"
#include "reactor/async_file/completion.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "tests/reactor/async_file/async_file_rig.h"

namespace weir {
namespace {

// Has room for kRoom bytes, so that a longer write is seen to hang.
struct HangingPipe : FullPipe {
  static constexpr size_t kRoom = 4096;  // a page, which is a slot

  HangingPipe() : FullPipe(true) {
    char page[kRoom];
    EXPECT_EQ(read(out.get(), page, kRoom), ssize_t{kRoom});
    size -= kRoom;
  }
  bool Hangs() const {
    int bytes = 0;
    EXPECT_EQ(ioctl(out.get(), FIONREAD, &bytes), 0);
    return static_cast<size_t>(bytes) == size + kRoom;
  }
  // That much of it hangs.
  static std::string Line() { return std::string(kRoom + 100, 'l'); }
};

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST_P(AsyncFileContract, CancelEndsWhatHasNotBegunAtOnce) {
  const File file = Open(Path("f"));
  calls_.Hang();
  Outcome first, second, sync;
  ASSERT_TRUE(file->Append("first", Into(&first)).ok());
  ASSERT_TRUE(file->Append("second", Into(&second)).ok());
  ASSERT_TRUE(file->Sync(Into(&sync)).ok());
  file->Cancel();
  EXPECT_FALSE(second.has_value());  // in a later callback
  ASSERT_TRUE(RunUntilOver(sync));
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(absl::IsCancelled(second->status)) << second->status;
  EXPECT_EQ(second->buffer, "second");
  EXPECT_EQ(second->size, 0u);
  EXPECT_TRUE(absl::IsCancelled(sync->status)) << sync->status;
  EXPECT_FALSE(first.has_value());
  EXPECT_EQ(queue_->size(), 1u);
  // What comes now waits for the one that goes on.
  Outcome third;
  ASSERT_TRUE(file->Append("third", Into(&third)).ok());
  calls_.LetGo();
  ASSERT_TRUE(RunUntilOver(third));
  EXPECT_TRUE(first->status.ok()) << first->status;
  EXPECT_TRUE(third->status.ok()) << third->status;
  EXPECT_EQ(Contents(Path("f")), "firstthird");
  EXPECT_EQ(queue_->size(), 0u);
}

TEST_P(AsyncFileContract, CancelEndsWhatIsTriedAgain) {
  const File file = Open(Path("f"));
  calls_.Refuse(EAGAIN, 1'000'000);
  Outcome outcome;
  ASSERT_TRUE(file->Append("x", Into(&outcome)).ok());
  ASSERT_TRUE(RunUntil([&] { return calls_.submissions() > 2; }));
  file->Cancel();
  ASSERT_TRUE(RunUntilOver(outcome));
  EXPECT_TRUE(absl::IsCancelled(outcome->status)) << outcome->status;
  EXPECT_EQ(Contents(Path("f")), "");
}

// A partial write is over, and its rest is not begun any more.
TEST_P(AsyncFileContract, CancelEndsTheRest) {
  const File file = Open(Path("f"));
  calls_.Shorten(2);
  calls_.Hang();
  Outcome outcome;
  ASSERT_TRUE(file->Append("abcd", Into(&outcome)).ok());
  file->Cancel();
  calls_.LetGo();
  ASSERT_TRUE(RunUntilOver(outcome));
  EXPECT_TRUE(absl::IsCancelled(outcome->status)) << outcome->status;
  EXPECT_EQ(outcome->size, 2u);
  EXPECT_EQ(Contents(Path("f")), "ab");
}

// A real thread hangs in the first, and the second waits behind it.
TEST_P(AsyncFileContract, CancelReachesWhatTheSystemHasQueued) {
  HangingPipe pipe;
  const File file = Wrap(std::move(pipe.in));
  Outcome first, second;
  ASSERT_TRUE(file->Write(0, pipe.Line(), Into(&first)).ok());
  ASSERT_TRUE(file->Write(0, "second", Into(&second)).ok());
  // Before, both could be cancelled.
  ASSERT_TRUE(RunUntil([&] { return pipe.Hangs(); }));
  file->Cancel();
  ASSERT_TRUE(RunUntilOver(second));
  EXPECT_TRUE(absl::IsCancelled(second->status)) << second->status;
  EXPECT_FALSE(first.has_value());
  EXPECT_EQ(pipe.Drain(pipe.Line().size()), pipe.Line());
  ASSERT_TRUE(RunUntilOver(first));
  EXPECT_TRUE(first->status.ok()) << first->status;
}

TEST_P(AsyncFileContract, CallbackMayDestroyTheFile) {
  File file = Open(Path("f"));
  std::vector<std::string> told;
  const auto tell = [&](AsyncFile::Result result) {
    told.push_back(result.buffer);
    file.reset();
  };
  // The others end in the same look, or wait for their turn.
  calls_.Hang();
  for (const char* const bytes : {"a", "b"}) {
    ASSERT_TRUE(file->Append(bytes, tell).ok());
  }
  for (const uint64_t at : {10, 11}) {
    ASSERT_TRUE(file->Write(at, "w", tell).ok());
  }
  calls_.LetGo();
  ASSERT_TRUE(RunUntil([&] { return queue_->size() == 0; }));
  EXPECT_EQ(told.size(), 1u);
}

// The file is part of what its own callback holds.
TEST_P(AsyncFileContract, CallbackMayOwnTheFile) {
  calls_.Hang();
  auto held = std::make_shared<File>(Open(Path("f")));
  const std::weak_ptr<File> watch = held;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE((*held)->Write(0, "x", [held](AsyncFile::Result) {}).ok());
  }
  held.reset();
  EXPECT_FALSE(watch.expired());
  queue_.reset();
  EXPECT_TRUE(watch.expired());
  calls_.LetGo();
}

TEST_P(AsyncFileContract, DestroyedFileIsClosedWhenAllIsOver) {
  UniqueFd own(open(Path("f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const int fd = own.get();
  File file = Wrap(std::move(own), true);
  calls_.Hang();
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = held;
  ASSERT_TRUE(
      file->Write(0, "first", [held](AsyncFile::Result) { FAIL(); }).ok());
  ASSERT_TRUE(
      file->Append("second", [held](AsyncFile::Result) { FAIL(); }).ok());
  ASSERT_TRUE(
      file->Append("third", [held](AsyncFile::Result) { FAIL(); }).ok());
  held.reset();
  file.reset();
  EXPECT_TRUE(watch.expired());  // callbacks are destroyed unrun
  EXPECT_EQ(queue_->size(), 2u);
  ASSERT_TRUE(AwaitFileThread());
  EXPECT_TRUE(IsOpen(fd));
  calls_.LetGo();
  ASSERT_TRUE(RunUntil([&] { return queue_->size() == 0; }));
  ASSERT_TRUE(AwaitFileThread());
  EXPECT_FALSE(IsOpen(fd));
  EXPECT_EQ(Contents(Path("f")).size(), 6u);  // "second" over "first"
}

// Closed with a request queued, the descriptor would give its number to the
// next socket, and the line would go to whoever is at its other end.
TEST_P(AsyncFileContract, NoLineReachesASocketThatTakesTheNumber) {
  HangingPipe pipe;
  const int fd = pipe.in.get();
  File file = Wrap(std::move(pipe.in));
  ASSERT_TRUE(file->Write(0, pipe.Line(), nullptr).ok());
  ASSERT_TRUE(RunUntil([&] { return pipe.Hangs(); }));
  // One that the system has queued, and one that it has not seen yet.
  ASSERT_TRUE(file->Write(0, "secret 1\n", nullptr).ok());
  calls_.Hang();
  ASSERT_TRUE(file->Write(0, "secret 2\n", nullptr).ok());
  file.reset();
  ASSERT_TRUE(AwaitFileThread());
  std::vector<UniqueFd> sockets;
  for (int i = 0; i < 8; ++i) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    for (const int end : pair) {
      EXPECT_NE(end, fd);
      sockets.emplace_back(end);
    }
  }
  calls_.LetGo();
  // Which of them are cancelled is not the point here.
  EXPECT_EQ(pipe.Drain(pipe.Line().size()).substr(0, pipe.Line().size()),
            pipe.Line());
  ASSERT_TRUE(RunUntil([&] { return queue_->size() == 0; }));
  ASSERT_TRUE(AwaitFileThread());
  for (const UniqueFd& socket : sockets) {
    char buffer[16];
    EXPECT_EQ(recv(socket.get(), buffer, sizeof(buffer), MSG_DONTWAIT), -1);
  }
}

// A helper thread hangs in a write: the queue does not wait for it, and what it
// uses stays.
TEST_P(AsyncFileContract, QueueLeavesBehindWhatHangs) {
  HangingPipe pipe;
  const int fd = pipe.in.get();
  File file = Wrap(std::move(pipe.in));
  // Larger than what the pipe takes, so that it is read bit by bit.
  const std::string line(3 * pipe.size, 'l');
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = held;
  ASSERT_TRUE(file->Append(line, [held](AsyncFile::Result) { FAIL(); }).ok());
  held.reset();
  ASSERT_TRUE(RunUntil([&] { return pipe.Hangs(); }));
  file.reset();
  queue_.reset();
  EXPECT_TRUE(watch.expired());
  EXPECT_TRUE(IsOpen(fd));
  EXPECT_EQ(pipe.Drain(line.size()), line);
  EXPECT_TRUE(IsOpen(fd));
}

// The same where a sanitizer sees what is touched.
TEST_P(AsyncFileContract, QueueLeavesTheBufferBehind) {
  File file = Open(Path("f"));
  calls_.Hang();
  ASSERT_TRUE(file->Append(std::string(1000, 'x'), nullptr).ok());
  file.reset();
  queue_.reset();
  calls_.LetGo();
}

// What waits for another try is no helper thread's: it is closed.
TEST_P(AsyncFileContract, QueueClosesWhatNobodyIsAt) {
  UniqueFd own(open(Path("f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const int fd = own.get();
  File file = Wrap(std::move(own), true);
  calls_.Refuse(EAGAIN, 1'000'000);
  ASSERT_TRUE(file->Append("x", nullptr).ok());
  file.reset();
  queue_.reset();
  EXPECT_FALSE(IsOpen(fd));
}

// The thread that closes hangs: then the loop must not close.
TEST_P(AsyncFileContract, HangingFileThreadLeavesDescriptorsOpen) {
  FullPipe pipe(true);
  UniqueFd own(open(Path("f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const int fd = own.get();
  File file = Wrap(std::move(own), true);
  queue_->thread()->Run([in = pipe.in.get()] {
    EXPECT_EQ(write(in, "hangs", 5), 5);
    return Task();
  });
  file.reset();
  queue_.reset();
  EXPECT_TRUE(IsOpen(fd));
  EXPECT_EQ(pipe.Drain(5), "hangs");
  close(fd);
}

INSTANTIATE_TEST_SUITE_P(All, AsyncFileContract,
                         testing::ValuesIn(kAllCompletions),
                         CompletionTestName);

}  // namespace
}  // namespace weir
