#include "reactor/reactor_pool.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/cpu_count.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Only a failing test waits as long.
constexpr Duration kPatience = std::chrono::seconds(30);

std::unique_ptr<Reactor> NewReactor(std::string name) {
  auto poller = MakePoller(PollerKind::kEpoll);
  EXPECT_TRUE(poller.ok()) << poller.status().ToString();
  Reactor::Options options;
  options.name = std::move(name);
  options.poller = *std::move(poller);
  return std::make_unique<Reactor>(std::move(options));
}

std::vector<std::unique_ptr<Reactor>> NewReactors(int count) {
  std::vector<std::unique_ptr<Reactor>> reactors;
  for (int i = 0; i < count; ++i) {
    reactors.push_back(NewReactor("weir-r" + std::to_string(i)));
  }
  return reactors;
}

class ReactorPoolTest : public testing::Test {
 protected:
  // Runs the control loop until `*done`.
  void RunUntil(const bool& done) {
    const MonoTime deadline = Clock::Real().Now() + kPatience;
    while (!done && Clock::Real().Now() < deadline) {
      control_->RunOnce(kPatience);
    }
    ASSERT_TRUE(done);
  }

  // This thread's loop.
  std::unique_ptr<Reactor> control_ = NewReactor("control");
};

TEST_F(ReactorPoolTest, EachReactorRunsOnAThreadOfItsName) {
  ReactorPool pool(NewReactors(3));
  EXPECT_EQ(pool.size(), 3u);
  EXPECT_EQ(pool.reactor(2).name(), "weir-r2");
  ASSERT_TRUE(pool.Start().ok());
  EXPECT_THAT(pool.warnings(), IsEmpty());

  std::vector<std::string> names(3);
  std::vector<std::thread::id> threads(3);
  std::latch ran(3);
  for (size_t i = 0; i < 3; ++i) {
    pool.reactor(i).Post([&, i] {
      char name[16] = "";
      pthread_getname_np(pthread_self(), name, sizeof(name));
      names[i] = name;
      threads[i] = std::this_thread::get_id();
      ran.count_down();
    });
  }
  ran.wait();
  EXPECT_THAT(names, ElementsAre("weir-r0", "weir-r1", "weir-r2"));
  EXPECT_THAT(std::set(threads.begin(), threads.end()), SizeIs(3));
  pool.Stop();
  pool.Join();
  pool.Join();  // nothing
}

TEST_F(ReactorPoolTest, LongNamesAreCutForTheThread) {
  std::vector<std::unique_ptr<Reactor>> reactors;
  reactors.push_back(NewReactor("a-name-of-a-reactor"));
  ReactorPool pool(std::move(reactors));
  ASSERT_TRUE(pool.Start().ok());
  std::string seen;
  std::latch ran(1);
  pool.reactor(0).Post([&] {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof(name));
    seen = name;
    ran.count_down();
  });
  ran.wait();
  EXPECT_EQ(seen, "a-name-of-a-rea");
}

TEST_F(ReactorPoolTest, PinsThreadsInTurn) {
  const std::vector<int> allowed = AllowedCpus();
  ReactorPool pool(NewReactors(3), {.cpus = allowed});
  ASSERT_TRUE(pool.Start().ok());
  EXPECT_THAT(pool.warnings(), IsEmpty());
  std::vector<std::vector<int>> seen(3);
  bool done = false;
  pool.PostToAll([&](size_t i) { seen[i] = AllowedCpus(); }, *control_,
                 [&] { done = true; });
  RunUntil(done);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(seen[i], ElementsAre(allowed[i % allowed.size()]));
  }
}

TEST_F(ReactorPoolTest, RefusedProcessorIsAWarning) {
  ReactorPool pool(NewReactors(2), {.cpus = {900'000, -1}});
  ASSERT_TRUE(pool.Start().ok());
  EXPECT_THAT(pool.warnings(),
              ElementsAre(HasSubstr("weir-r0 does not run on processor 900000 "
                                    "alone: Invalid argument"),
                          HasSubstr("weir-r1 does not run on processor -1")));
  bool done = false;
  pool.PostToAll([](size_t) {}, *control_, [&] { done = true; });
  RunUntil(done);
}

TEST_F(ReactorPoolTest, PostToAllFinishesWhenAllHaveRun) {
  constexpr int kReactors = 4;
  constexpr int kRounds = 200;
  ReactorPool pool(NewReactors(kReactors));
  ASSERT_TRUE(pool.Start().ok());
  for (int round = 0; round < kRounds; ++round) {
    // Written by the reactors and read by `done`, without atomics: thread
    // sanitizer sees whether the one comes after the other.
    std::vector<std::thread::id> ran(kReactors);
    bool done = false;
    pool.PostToAll(
        [&](size_t i) {
          EXPECT_EQ(ran[i], std::thread::id());
          ran[i] = std::this_thread::get_id();
        },
        *control_,
        [&] {
          for (const std::thread::id id : ran) {
            EXPECT_NE(id, std::thread::id());
            EXPECT_NE(id, std::this_thread::get_id());
          }
          done = true;
        });
    RunUntil(done);
  }
}

TEST_F(ReactorPoolTest, PostToAllFinishesThoughTasksNeverRan) {
  bool done = false;
  {
    ReactorPool pool(NewReactors(2));  // not started
    pool.PostToAll([](size_t) { FAIL(); }, *control_, [&] { done = true; });
    control_->RunOnce(Duration::zero());
    EXPECT_FALSE(done);
  }
  RunUntil(done);
}

TEST_F(ReactorPoolTest, DestructorStopsAndDestroysWhatNeverRan) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  std::atomic<int> ran = 0;
  {
    ReactorPool pool(NewReactors(2));
    ASSERT_TRUE(pool.Start().ok());
    std::latch posted(1);
    pool.reactor(0).Post([&] {
      posted.wait();
      ran.fetch_add(1);
    });
    pool.Stop();  // the reactor ends with the round that it is in
    pool.reactor(0).Post([held = std::move(held)] {});
    posted.count_down();
  }
  EXPECT_LE(ran.load(), 1);
  EXPECT_TRUE(watch.expired());
}

TEST_F(ReactorPoolTest, JoinWithinGivesUpOnALoopThatHangs) {
  ReactorPool pool(NewReactors(2));
  ASSERT_TRUE(pool.Start().ok());
  std::latch hung(1);
  std::latch released(1);
  pool.reactor(0).Post([&] {
    hung.count_down();
    released.wait();
  });
  hung.wait();
  pool.Stop();
  EXPECT_FALSE(pool.JoinWithin(std::chrono::milliseconds(20)));
  released.count_down();
  EXPECT_TRUE(pool.JoinWithin(kPatience));
  EXPECT_TRUE(pool.JoinWithin(Duration::zero())) << "no thread runs";
}

TEST_F(ReactorPoolTest, EmptyPool) {
  ReactorPool pool({});
  EXPECT_TRUE(pool.Start().ok());
  bool done = false;
  pool.PostToAll([](size_t) {}, *control_, [&] { done = true; });
  RunUntil(done);
}

}  // namespace
}  // namespace weir
