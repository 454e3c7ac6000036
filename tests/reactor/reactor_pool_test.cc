#include "reactor/reactor_pool.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
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

// Runs task(i) on each reactor i; returns when all have run.
void RunOnAll(ReactorPool& pool, const std::function<void(size_t)>& task) {
  std::latch ran(static_cast<std::ptrdiff_t>(pool.size()));
  for (size_t i = 0; i < pool.size(); ++i) {
    pool.reactor(i).Post([&, i] {
      task(i);
      ran.count_down();
    });
  }
  ran.wait();
}

TEST(ReactorPoolTest, EachReactorRunsOnAThreadOfItsName) {
  ReactorPool pool(NewReactors(3));
  EXPECT_EQ(pool.size(), 3u);
  EXPECT_EQ(pool.reactor(2).name(), "weir-r2");
  ASSERT_TRUE(pool.Start().ok());
  EXPECT_THAT(pool.warnings(), IsEmpty());

  std::vector<std::string> names(3);
  std::vector<std::thread::id> threads(3);
  RunOnAll(pool, [&](size_t i) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof(name));
    names[i] = name;
    threads[i] = std::this_thread::get_id();
  });
  EXPECT_THAT(names, ElementsAre("weir-r0", "weir-r1", "weir-r2"));
  EXPECT_THAT(std::set(threads.begin(), threads.end()), SizeIs(3));
  pool.Stop();
  pool.Join();
  pool.Join();  // nothing
}

TEST(ReactorPoolTest, LongNamesAreCutForTheThread) {
  std::vector<std::unique_ptr<Reactor>> reactors;
  reactors.push_back(NewReactor("a-name-of-a-reactor"));
  ReactorPool pool(std::move(reactors));
  ASSERT_TRUE(pool.Start().ok());
  std::string seen;
  RunOnAll(pool, [&](size_t) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof(name));
    seen = name;
  });
  EXPECT_EQ(seen, "a-name-of-a-rea");
}

TEST(ReactorPoolTest, PinsThreadsInTurn) {
  const std::vector<int> allowed = AllowedCpus();
  ReactorPool pool(NewReactors(3), {.cpus = allowed});
  ASSERT_TRUE(pool.Start().ok());
  EXPECT_THAT(pool.warnings(), IsEmpty());
  std::vector<std::vector<int>> seen(3);
  RunOnAll(pool, [&](size_t i) { seen[i] = AllowedCpus(); });
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(seen[i], ElementsAre(allowed[i % allowed.size()]));
  }
}

TEST(ReactorPoolTest, RefusedProcessorIsAWarning) {
  ReactorPool pool(NewReactors(2), {.cpus = {900'000, -1}});
  ASSERT_TRUE(pool.Start().ok());
  EXPECT_THAT(pool.warnings(),
              ElementsAre(HasSubstr("weir-r0 does not run on processor 900000 "
                                    "alone: Invalid argument"),
                          HasSubstr("weir-r1 does not run on processor -1")));
  RunOnAll(pool, [](size_t) {});  // anywhere
}

TEST(ReactorPoolTest, DestructorStopsAndDestroysWhatNeverRan) {
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

TEST(ReactorPoolTest, JoinWithinGivesUpOnALoopThatHangs) {
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

TEST(ReactorPoolTest, EmptyPool) {
  ReactorPool pool({});
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_TRUE(pool.Start().ok());
  pool.Stop();
  pool.Join();
}

}  // namespace
}  // namespace weir
