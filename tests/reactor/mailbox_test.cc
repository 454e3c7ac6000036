#include "reactor/mailbox.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

TEST(MailboxTest, RunsInTheOrderOfThePushes) {
  Mailbox box;
  std::vector<int> ran;
  for (int i = 0; i < 5; ++i)
    EXPECT_FALSE(box.Push([&, i] { ran.push_back(i); }));
  EXPECT_EQ(box.Run(10), 0u);  // nothing is collected yet
  EXPECT_EQ(box.Collect(), 5u);
  EXPECT_EQ(box.Run(2), 2u);
  EXPECT_FALSE(box.Push([&] { ran.push_back(5); }));
  EXPECT_EQ(box.Collect(), 4u);
  EXPECT_EQ(box.Run(10), 4u);
  EXPECT_EQ(ran, std::vector<int>({0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(box.Collect(), 0u);
  EXPECT_EQ(box.Run(10), 0u);
}

TEST(MailboxTest, TaskPushedByATaskWaitsForTheNextCollect) {
  Mailbox box;
  int count = 0;
  EXPECT_FALSE(box.Push([&] { EXPECT_FALSE(box.Push([&] { ++count; })); }));
  EXPECT_EQ(box.Collect(), 1u);
  EXPECT_EQ(box.Run(10), 1u);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(box.Collect(), 1u);
  EXPECT_EQ(box.Run(10), 1u);
  EXPECT_EQ(count, 1);
}

TEST(MailboxTest, OnePushOfASleepWakes) {
  Mailbox box;
  EXPECT_FALSE(box.Push([] {}));
  EXPECT_FALSE(box.PrepareToSleep());  // it lies in the box
  EXPECT_FALSE(box.Push([] {}));       // and the announcement was withdrawn
  EXPECT_EQ(box.Collect(), 2u);
  EXPECT_FALSE(box.PrepareToSleep());  // it waits for Run()
  EXPECT_EQ(box.Run(1), 1u);
  EXPECT_FALSE(box.PrepareToSleep());
  EXPECT_EQ(box.Run(1), 1u);

  EXPECT_TRUE(box.PrepareToSleep());
  EXPECT_TRUE(box.Push([] {}));
  EXPECT_FALSE(box.Push([] {}));
  box.Awake();
  EXPECT_FALSE(box.Push([] {}));
  EXPECT_EQ(box.Collect(), 3u);
  EXPECT_EQ(box.Run(3), 3u);

  EXPECT_TRUE(box.PrepareToSleep());
  box.Awake();  // its wait ended for another reason
  EXPECT_FALSE(box.Push([] {}));
}

TEST(MailboxTest, TaskIsDestroyedAsSoonAsItRan) {
  Mailbox box;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  EXPECT_FALSE(box.Push([held = std::move(held)] {}));
  bool gone = false;
  EXPECT_FALSE(box.Push([&] { gone = watch.expired(); }));
  box.Collect();
  EXPECT_EQ(box.Run(2), 2u);
  EXPECT_TRUE(gone);
}

// Pushes when it is destroyed, as the owner of a connection may.
class PushesOnDestruction {
 public:
  PushesOnDestruction(Mailbox* box, std::shared_ptr<int> held)
      : box_(box), held_(std::move(held)) {}
  PushesOnDestruction(PushesOnDestruction&& other) noexcept
      : box_(std::exchange(other.box_, nullptr)),
        held_(std::move(other.held_)) {}
  ~PushesOnDestruction() {
    if (box_ != nullptr) {
      EXPECT_FALSE(box_->Push([held = std::move(held_)] { FAIL(); }));
    }
  }

 private:
  Mailbox* box_;
  std::shared_ptr<int> held_;
};

TEST(MailboxTest, DestructorDestroysWithoutRunning) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  {
    Mailbox box;
    EXPECT_FALSE(box.Push([held] { FAIL(); }));
    box.Collect();
    EXPECT_FALSE(box.Push(
        [pushes = PushesOnDestruction(&box, std::move(held))] { FAIL(); }));
  }
  EXPECT_TRUE(watch.expired());
}

// Several producers and a consumer that sleeps whenever it may, on a semaphore
// which only a push that was told to wake releases. A lost wake-up hangs it,
// two wake-ups of one sleep are counted, and so is a task lost or out of order.
TEST(MailboxTest, NoWakeUpIsLostAndNoneIsDoubled) {
  constexpr int kProducers = 4;
  constexpr int kPushes = 20'000;
  Mailbox box;
  std::counting_semaphore<> wake(0);
  std::atomic<int> wakes = 0;
  std::vector<int> next(kProducers, 0);  // the consumer's

  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (int i = 0; i < kPushes; ++i) {
        const bool must_wake = box.Push([&next, p, i] {
          EXPECT_EQ(next[p], i);
          next[p] = i + 1;
        });
        if (must_wake) {
          wakes.fetch_add(1, std::memory_order_relaxed);
          wake.release();
        }
        // Gives the consumer a chance to fall asleep between two pushes.
        if (i % 16 == p) std::this_thread::yield();
      }
    });
  }

  int announced = 0;  // sleeps that were announced, also withdrawn ones
  size_t ran = 0;
  while (ran < size_t{kProducers} * kPushes) {
    ++announced;
    if (box.PrepareToSleep()) {
      wake.acquire();
      box.Awake();
    }
    box.Collect();
    ran += box.Run(64);
  }
  for (std::thread& producer : producers) producer.join();

  EXPECT_EQ(next, std::vector<int>(kProducers, kPushes));
  EXPECT_EQ(box.Collect(), 0u);
  EXPECT_LE(wakes.load(), announced);
}

TEST(MailboxTest, DepthIsWhatHasNotBegun) {
  Mailbox box;
  EXPECT_EQ(box.depth(), 0u);
  size_t seen = 9;
  for (int i = 0; i < 3; ++i) {
    (void)box.Push([&box, &seen] { seen = box.depth(); });
  }
  EXPECT_EQ(box.depth(), 3u);
  box.Collect();
  EXPECT_EQ(box.depth(), 3u);
  int before_each = 0;
  EXPECT_EQ(box.Run(2, [&] { ++before_each; }), 2u);
  EXPECT_EQ(seen, 1u);
  EXPECT_EQ(before_each, 2);
  EXPECT_EQ(box.depth(), 1u);
}

// The handshake alone, as tight as it gets: one push against one fall asleep.
TEST(MailboxTest, PushAndSleepSeeEachOther) {
  constexpr int kRounds = 30'000;
  Mailbox box;
  std::counting_semaphore<> wake(0);
  std::atomic<int> round = 0;
  std::thread producer([&] {
    for (int i = 1; i <= kRounds; ++i) {
      while (round.load(std::memory_order_acquire) < i)
        std::this_thread::yield();
      if (box.Push([] {})) wake.release();
    }
  });
  size_t ran = 0;
  for (int i = 1; i <= kRounds; ++i) {
    round.store(i, std::memory_order_release);
    // A withdrawn announcement may have been seen: then a wake-up is on its way
    // for a sleep that did not take place, and the next one is spurious.
    while (ran < static_cast<size_t>(i)) {
      if (box.PrepareToSleep()) {
        wake.acquire();
        box.Awake();
      }
      box.Collect();
      ran += box.Run(1);
    }
    // Taken here if it came for a withdrawn sleep.
    (void)wake.try_acquire();
  }
  producer.join();
  EXPECT_EQ(ran, size_t{kRounds});
}

}  // namespace
}  // namespace weir
