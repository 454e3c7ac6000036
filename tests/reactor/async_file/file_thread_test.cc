#include "reactor/async_file/file_thread.h"

#include <chrono>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/mailbox.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {
namespace {

class FileThreadTest : public testing::Test {
 protected:
  void SetUp() override {
    auto poller = MakePoller(PollerKind::kEpoll);
    ASSERT_TRUE(poller.ok()) << poller.status();
    reactor_ = std::make_unique<Reactor>(
        Reactor::Options{.poller = *std::move(poller)});
    files_ = std::make_unique<FileThread>(reactor_.get());
  }

  // The thread is busy from here until `release_` is released.
  void Hang() {
    files_->Run([this, release = release_] {
      begun_.release();
      release->acquire();
      return Task();
    });
    begun_.acquire();
  }

  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<FileThread> files_;
  std::binary_semaphore begun_{0};
  // The thread may be left behind with it.
  const std::shared_ptr<std::binary_semaphore> release_ =
      std::make_shared<std::binary_semaphore>(0);
};

TEST_F(FileThreadTest, RunsOnItsThreadAndThenOnTheLoop) {
  const std::thread::id loop = std::this_thread::get_id();
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    files_->Run([&, i]() -> Task {
      EXPECT_NE(std::this_thread::get_id(), loop);
      return [&, i] {
        EXPECT_EQ(std::this_thread::get_id(), loop);
        order.push_back(i);
      };
    });
  }
  while (order.size() < 3) reactor_->RunOnce(std::chrono::seconds(30));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST_F(FileThreadTest, StopWaitsForWhatWasBegunBefore) {
  int runs = 0;
  std::binary_semaphore last{0};
  for (int i = 0; i < 100; ++i) {
    files_->Run([&, i] {
      ++runs;
      if (i == 99) last.release();
      return Task([] { FAIL() << "the loop was told after Stop()"; });
    });
  }
  last.acquire();
  files_->Stop();
  EXPECT_EQ(runs, 100);
  reactor_->RunOnce(Duration::zero());
}

TEST_F(FileThreadTest, HangingThreadIsLeftBehind) {
  Hang();
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = held;
  files_->Run([held]() -> Task {
    ADD_FAILURE() << "ran after Stop()";
    return nullptr;
  });
  held.reset();
  files_->Stop();
  EXPECT_TRUE(watch.expired());
  files_.reset();
  reactor_.reset();
  release_->release();  // it touches neither any more
}

TEST_F(FileThreadTest, WhatComesAfterStopRunsAtOnce) {
  files_->Stop();
  files_->Stop();
  bool ran = false;
  files_->Run([&]() -> Task {
    ran = true;
    return [] { FAIL() << "the loop was told after Stop()"; };
  });
  EXPECT_TRUE(ran);
  reactor_->RunOnce(Duration::zero());
}

// What the loop was to get and gets no more holds a descriptor, perhaps, whose
// close hangs too: the loop does not wait for that either.
TEST_F(FileThreadTest, UnwantedResultIsDestroyedWithoutTheLoop) {
  struct Hangs {
    explicit Hangs(std::binary_semaphore* d) : destroying(d) {}
    ~Hangs() {
      destroying->release();
      until.acquire();
    }
    std::binary_semaphore* const destroying;
    std::binary_semaphore until{0};
  };
  std::binary_semaphore destroying{0};
  auto hangs = std::make_shared<Hangs>(&destroying);
  Hangs* const watch = hangs.get();
  files_->Run([this, release = release_, h = std::move(hangs)]() mutable {
    begun_.release();
    release->acquire();
    return Task([h = std::move(h)] {});
  });
  begun_.acquire();
  files_->Stop();
  release_->release();
  destroying.acquire();
  bool ran = false;
  files_->Run([&]() -> Task {
    ran = true;
    return nullptr;
  });
  EXPECT_TRUE(ran);
  watch->until.release();
}

}  // namespace
}  // namespace weir
