// S07, S09: the pipes of one reactor, under a kernel that refuses them.

#include "proxy/relay/pipe_pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/observe/splice_metrics.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

size_t OpenDescriptors() {
  size_t count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

class RelayPipePool : public testing::Test {
 protected:
  RelayPipePool()
      : reactor_({.kernel = &kernel_,
                  .clock = &clock_,
                  .poller = *MakePoller(PollerKind::kEpoll)}),
        fds_before_(OpenDescriptors()) {}

  void TearDown() override {
    pools_.clear();
    EXPECT_EQ(OpenDescriptors(), fds_before_) << "a descriptor leaked";
  }

  PipePool& Make(size_t max_pipes = 10000, size_t memory = PipePool::kMemory) {
    pools_.push_back(std::make_unique<PipePool>(PipePool::Options{
        .reactor = &reactor_, .max_pipes = max_pipes, .memory = memory}));
    return *pools_.back();
  }

  // A tenth of a second is over.
  void PassWindow() {
    clock_.Advance(std::chrono::milliseconds(101));
    reactor_.RunOnce(Duration::zero());
  }

  // `count` streams each have a turn: what they borrow is back at its end.
  void Turns(PipePool& pool, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      uint8_t window = 0;
      pool.Return(pool.Borrow(&window));
    }
  }

  // Bytes that no reader takes.
  static void Fill(PipePool& pool, Pipe* pipe, const std::string& bytes) {
    ASSERT_EQ(::write(pipe->write_end(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
    pool.Filled(pipe, bytes.size());
  }

  static uint64_t Fallbacks(const PipePool& pool, SpliceFallback reason) {
    return pool.metrics().fallbacks[static_cast<size_t>(reason)].Value();
  }
  static int64_t Open(const PipePool& pool) {
    return pool.metrics().pipes.Value();
  }

  FaultyKernel kernel_;
  ManualClock clock_;
  Reactor reactor_;
  const size_t fds_before_;
  std::vector<std::unique_ptr<PipePool>> pools_;
};

TEST_F(RelayPipePool, S09_TheFewerStreamsTheLargerThePipes) {
  PipePool& pool = Make();
  EXPECT_EQ(pool.WantedSize(), kMiB);
  for (const auto& [streams, size] :
       std::vector<std::pair<size_t, size_t>>{{1, kMiB},
                                              {64, kMiB},
                                              {65, 512 * kKiB},
                                              {128, 512 * kKiB},
                                              {129, 256 * kKiB},
                                              {1024, 64 * kKiB},
                                              {5000, 64 * kKiB}}) {
    PassWindow();
    PassWindow();
    Turns(pool, streams);
    EXPECT_EQ(pool.WantedSize(), size) << streams;
    uint8_t window = 0;
    PipePtr pipe = pool.Borrow(&window);
    // One that is up to twice as large stays as it is.
    EXPECT_GE(pipe->capacity(), pool.WantedSize());
    EXPECT_LE(pipe->capacity(), 2 * size);
    EXPECT_EQ(::fcntl(pipe->read_end(), F_GETPIPE_SZ),
              static_cast<int>(pipe->capacity()));
    pool.Return(std::move(pipe));
  }
}

TEST_F(RelayPipePool, S09_AStreamCountsOnceAWindow) {
  PipePool& pool = Make(100, 2 * kMiB);
  uint8_t first = 0;
  for (int i = 0; i < 100; ++i) pool.Return(pool.Borrow(&first));
  EXPECT_EQ(pool.WantedSize(), kMiB);
  uint8_t second = 0;
  for (int i = 0; i < 100; ++i) pool.Return(pool.Borrow(&second));
  EXPECT_EQ(pool.WantedSize(), kMiB);
  Turns(pool, 1);
  EXPECT_EQ(pool.WantedSize(), 512 * kKiB);
  PassWindow();
  // Those of the window before still count, and nobody twice.
  pool.Return(pool.Borrow(&first));
  pool.Return(pool.Borrow(&second));
  EXPECT_EQ(pool.WantedSize(), 512 * kKiB);
  PassWindow();
  EXPECT_EQ(pool.WantedSize(), kMiB) << "two streams are left";
}

TEST_F(RelayPipePool, S09_StreamsThatWentQuietCountNoLonger) {
  PipePool& pool = Make();
  Turns(pool, 1024);
  PassWindow();
  uint8_t window = 0;
  PipePtr pipe = pool.Borrow(&window);
  EXPECT_LE(pipe->capacity(), 128 * kKiB);
  pool.Return(std::move(pipe));
  PassWindow();
  pipe = pool.Borrow(&window);
  EXPECT_EQ(pipe->capacity(), kMiB);
  pool.Return(std::move(pipe));
}

TEST_F(RelayPipePool, S09_EmptyPipesAreClosedSoon) {
  PipePool& pool = Make();
  std::vector<uint8_t> windows(3);
  std::vector<PipePtr> pipes;
  for (uint8_t& window : windows) pipes.push_back(pool.Borrow(&window));
  EXPECT_EQ(pool.lent(), 3u);
  EXPECT_EQ(Open(pool), 3);
  for (PipePtr& pipe : pipes) pool.Return(std::move(pipe));
  EXPECT_EQ(pool.lent(), 0u);
  EXPECT_EQ(pool.kept(), 3u);
  EXPECT_EQ(Open(pool), 3);
  PassWindow();
  EXPECT_EQ(pool.kept(), 3u) << "for each stream of the last window one";
  pool.Return(pool.Borrow(&windows[0]));
  PassWindow();
  EXPECT_EQ(pool.kept(), 1u);
  PassWindow();
  EXPECT_EQ(pool.kept(), 0u);
  EXPECT_EQ(Open(pool), 0);
  EXPECT_EQ(OpenDescriptors(), fds_before_);
  // And a pool without work sleeps.
  reactor_.RunOnce(Duration::zero());
  EXPECT_EQ(reactor_.pending_timers(), 0);
}

// One that comes back from a slow reader, when nobody splices any more.
TEST_F(RelayPipePool, S09_AStragglerIsClosedToo) {
  PipePool& pool = Make();
  uint8_t window = 0;
  PipePtr pipe = pool.Borrow(&window);
  for (int i = 0; i < 3; ++i) PassWindow();
  pool.Return(std::move(pipe));
  EXPECT_EQ(pool.kept(), 1u);
  PassWindow();
  EXPECT_EQ(OpenDescriptors(), fds_before_);
}

TEST_F(RelayPipePool, S09_NoMoreThanAllowed) {
  PipePool& pool = Make(2);
  uint8_t windows[3] = {};
  PipePtr first = pool.Borrow(&windows[0]);
  PipePtr second = pool.Borrow(&windows[1]);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(pool.Borrow(&windows[2]), nullptr);
  EXPECT_EQ(Fallbacks(pool, SpliceFallback::kPipes), 1u);
  EXPECT_EQ(kernel_.calls(Call::kPipe), 2u);
  // A shortage lasts until a pipe is back.
  pool.Return(std::move(first));
  first = pool.Borrow(&windows[2]);
  EXPECT_NE(first, nullptr);
  EXPECT_EQ(kernel_.calls(Call::kPipe), 2u);
  pool.Return(std::move(first));
  pool.Return(std::move(second));
}

// I4: pipes whose bytes no reader takes may be lent for ever.
TEST_F(RelayPipePool, S09_StalledReadersHoldNoMoreMemoryThanAllowed) {
  constexpr size_t kMemory = 8 * kMiB;
  PipePool& pool = Make(10000, kMemory);
  std::vector<PipePtr> pipes;
  size_t memory = 0;
  for (;;) {
    // None of them borrows again.
    PassWindow();
    PassWindow();
    uint8_t window = 0;
    PipePtr pipe = pool.Borrow(&window);
    if (pipe == nullptr) break;
    ASSERT_LT(pipes.size(), 10 * kMemory / PipePool::kSmallest);
    memory += pipe->capacity();
    Fill(pool, pipe.get(), "stuck");
    pipes.push_back(std::move(pipe));
  }
  EXPECT_LE(memory, kMemory);
  EXPECT_GE(memory, kMemory / 2);
  // The first ones did not take it all.
  EXPECT_EQ(pipes.front()->capacity(), kMiB);
  EXPECT_GE(pipes.size(), 5 * kMemory / kMiB);
  EXPECT_EQ(Fallbacks(pool, SpliceFallback::kPipes), 1u);
  for (PipePtr& pipe : pipes) pool.Return(std::move(pipe));
  EXPECT_EQ(pool.WantedSize(), kMiB);
  EXPECT_EQ(OpenDescriptors(), fds_before_);
}

TEST_F(RelayPipePool, S07_ARefusalCostsTheWindow) {
  for (const auto& [error, reason] :
       std::vector<std::pair<int, SpliceFallback>>{
           {EMFILE, SpliceFallback::kDescriptors},
           {ENFILE, SpliceFallback::kDescriptors},
           {ENOMEM, SpliceFallback::kMemory},
           {EPERM, SpliceFallback::kRefused},
           {ENOSYS, SpliceFallback::kRefused}}) {
    SCOPED_TRACE(error);
    PipePool& pool = Make();
    kernel_.Inject({.call = Call::kPipe, .error = error});
    const uint64_t calls = kernel_.calls(Call::kPipe);
    uint8_t windows[2] = {};
    // Each time that bytes are copied is counted, but not asked for.
    EXPECT_EQ(pool.Borrow(&windows[0]), nullptr);
    EXPECT_EQ(pool.Borrow(&windows[1]), nullptr);
    EXPECT_EQ(Fallbacks(pool, reason), 2u);
    EXPECT_EQ(kernel_.calls(Call::kPipe), calls + 1);
    EXPECT_EQ(Open(pool), 0);
    PassWindow();
    PipePtr pipe = pool.Borrow(&windows[0]);
    EXPECT_NE(pipe, nullptr);
    pool.Return(std::move(pipe));
    EXPECT_EQ(Fallbacks(pool, reason), 2u);
  }
}

// A pipe that came back meanwhile is as good as a new one.
TEST_F(RelayPipePool, S07_ARefusalLeavesWhatIsThere) {
  PipePool& pool = Make();
  uint8_t windows[2] = {};
  PipePtr pipe = pool.Borrow(&windows[0]);
  kernel_.Inject({.call = Call::kPipe, .error = EMFILE});
  EXPECT_EQ(pool.Borrow(&windows[1]), nullptr);
  pool.Return(std::move(pipe));
  pipe = pool.Borrow(&windows[1]);
  EXPECT_NE(pipe, nullptr);
  pool.Return(std::move(pipe));
}

TEST_F(RelayPipePool, S07_ARefusedSizeMeansASmallerPipe) {
  for (const auto& [refusals, size] : std::vector<std::pair<int, size_t>>{
           {1, 256 * kKiB}, {2, 64 * kKiB}, {100, 64 * kKiB}}) {
    SCOPED_TRACE(refusals);
    PipePool& pool = Make();
    kernel_.Heal();
    kernel_.Inject(
        {.call = Call::kSetPipeSize, .error = EPERM, .count = refusals});
    uint8_t window = 0;
    PipePtr pipe = pool.Borrow(&window);
    ASSERT_NE(pipe, nullptr);
    EXPECT_EQ(pipe->capacity(), size);
    EXPECT_EQ(::fcntl(pipe->read_end(), F_GETPIPE_SZ), static_cast<int>(size));
    EXPECT_EQ(Fallbacks(pool, SpliceFallback::kPipeSize), 1u);
    // Nobody asks again in this window.
    const uint64_t calls = kernel_.calls(Call::kSetPipeSize);
    pool.Return(std::move(pipe));
    pipe = pool.Borrow(&window);
    EXPECT_EQ(pipe->capacity(), size);
    EXPECT_EQ(kernel_.calls(Call::kSetPipeSize), calls);
    pool.Return(std::move(pipe));
    kernel_.Heal();
    PassWindow();
    pipe = pool.Borrow(&window);
    EXPECT_EQ(pipe->capacity(), kMiB);
    pool.Return(std::move(pipe));
    EXPECT_EQ(Fallbacks(pool, SpliceFallback::kPipeSize), 1u);
  }
}

// What the kernel gives a user who has too many already.
TEST_F(RelayPipePool, S07_APipeOfTwoPagesIsNone) {
  PipePool& pool = Make();
  kernel_.SetHook([](Call call, int fd) {
    if (call == Call::kGetPipeSize) ::fcntl(fd, F_SETPIPE_SZ, 8192);
  });
  uint8_t window = 0;
  EXPECT_EQ(pool.Borrow(&window), nullptr);
  EXPECT_EQ(Fallbacks(pool, SpliceFallback::kUserLimit), 1u);
  EXPECT_EQ(OpenDescriptors(), fds_before_);
  EXPECT_EQ(pool.lent(), 0u);
  kernel_.SetHook(nullptr);
  PassWindow();
  PipePtr pipe = pool.Borrow(&window);
  EXPECT_NE(pipe, nullptr);
  pool.Return(std::move(pipe));
}

TEST_F(RelayPipePool, S04_APipeWithBytesIsNeverLentAgain) {
  PipePool& pool = Make();
  uint8_t window = 0;
  PipePtr pipe = pool.Borrow(&window);
  Fill(pool, pipe.get(), "somebody's");
  EXPECT_EQ(pipe->size(), 10u);
  EXPECT_FALSE(pipe->empty());
  EXPECT_EQ(pool.metrics().held.Value(), 10);
  pool.Drained(pipe.get(), 4);
  EXPECT_EQ(pool.metrics().held.Value(), 6);
  pool.Return(std::move(pipe));
  EXPECT_EQ(pool.kept(), 0u);
  EXPECT_EQ(pool.lent(), 0u);
  EXPECT_EQ(Open(pool), 0);
  EXPECT_EQ(pool.metrics().held.Value(), 0);
  EXPECT_EQ(OpenDescriptors(), fds_before_);
  pipe = pool.Borrow(&window);
  char byte;
  EXPECT_EQ(::read(pipe->read_end(), &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  pool.Return(std::move(pipe));
  pool.Return(nullptr);  // nothing
  EXPECT_EQ(pool.lent(), 0u);
}

TEST_F(RelayPipePool, S09_APipeMovesToAnotherPool) {
  PipePool& from = Make(1);
  PipePool& to = Make(1);
  uint8_t windows[2] = {};
  PipePtr moving = from.Borrow(&windows[0]);
  Fill(from, moving.get(), "bytes");
  PipePtr other = to.Borrow(&windows[1]);
  from.Disown(moving);
  EXPECT_EQ(from.lent(), 0u);
  EXPECT_EQ(Open(from), 0);
  EXPECT_EQ(from.metrics().held.Value(), 0);
  to.Adopt(moving);
  EXPECT_EQ(to.lent(), 2u);
  EXPECT_EQ(Open(to), 2);
  EXPECT_EQ(to.metrics().held.Value(), 5);
  to.Drained(moving.get(), 5);
  // Above its cap it keeps none.
  to.Return(std::move(moving));
  EXPECT_EQ(to.kept(), 0u);
  to.Return(std::move(other));
  EXPECT_EQ(to.kept(), 1u);
  EXPECT_EQ(Open(to), 1);
  from.Disown(nullptr);
  to.Adopt(nullptr);
  EXPECT_EQ(to.lent(), 0u);
}

}  // namespace
}  // namespace weir
