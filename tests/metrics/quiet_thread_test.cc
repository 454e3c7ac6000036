#include "metrics/quiet_thread.h"

#include <pthread.h>
#include <signal.h>

#include <latch>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace weir {
namespace {

TEST(QuietThreadTest, TakesNoSignals) {
  sigset_t before, after, inside;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
  ASSERT_EQ(sigismember(&before, SIGTERM), 0);
  char name[16] = {};
  std::latch named(1);
  auto thread = StartQuietThread("quiet", [&] {
    pthread_sigmask(SIG_SETMASK, nullptr, &inside);
    named.wait();
  });
  ASSERT_TRUE(thread.ok()) << thread.status();
  pthread_getname_np(thread->native_handle(), name, sizeof(name));
  named.count_down();
  thread->join();
  EXPECT_STREQ(name, "quiet");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGRTMIN + 3}) {
    EXPECT_EQ(sigismember(&inside, signal), 1) << signal;
  }
  // Its maker takes them as before.
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &after), 0);
  for (int signal = 1; signal < SIGRTMAX; ++signal) {
    EXPECT_EQ(sigismember(&after, signal), sigismember(&before, signal));
  }
}

}  // namespace
}  // namespace weir
