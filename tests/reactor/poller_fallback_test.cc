// What happens where the kernel forbids or lacks a call: each test forks, and
// the child denies the call with seccomp.

#include <errno.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/poller.h"

namespace weir {
namespace {

using MadePoller = absl::StatusOr<std::unique_ptr<Poller>>;

// In the child: `call` fails with `error` from now on.
void Deny(int call, int error) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr ||
      seccomp_rule_add(filter, SCMP_ACT_ERRNO(static_cast<uint32_t>(error)),
                       call, 0) != 0 ||
      seccomp_load(filter) != 0) {
    std::fprintf(stderr, "seccomp failed\n");
    _exit(2);
  }
}

// In the child: what MakePoller() says of io_uring, and that epoll takes over.
void PrintWhyAndUseEpoll() {
  const MadePoller denied = MakePoller(PollerKind::kIoUring);
  std::string warning;
  const MadePoller made = MakePollerOrEpoll(PollerKind::kIoUring, &warning);
  const bool good = absl::IsUnavailable(denied.status()) && made.ok() &&
                    (*made)->name() == "epoll";
  std::fprintf(stderr, "[%s]\n", warning.c_str());
  _exit(good ? 0 : 1);
}

TEST(PollerFallbackTest, SetUpForbidden) {
  EXPECT_EXIT(
      {
        Deny(SCMP_SYS(io_uring_setup), EPERM);
        PrintWhyAndUseEpoll();
      },
      testing::ExitedWithCode(0),
      "^\\[io_uring is not available here \\(io_uring_setup: Operation not "
      "permitted\\); using epoll\\]");
}

TEST(PollerFallbackTest, SetUpLacking) {
  EXPECT_EXIT(
      {
        Deny(SCMP_SYS(io_uring_setup), ENOSYS);
        PrintWhyAndUseEpoll();
      },
      testing::ExitedWithCode(0),
      "io_uring_setup: Function not implemented\\); using epoll");
}

TEST(PollerFallbackTest, LockedMemoryShort) {
  EXPECT_EXIT(
      {
        Deny(SCMP_SYS(io_uring_setup), ENOMEM);
        PrintWhyAndUseEpoll();
      },
      testing::ExitedWithCode(0),
      "io_uring_setup: Cannot allocate memory\\); using epoll");
}

// Where the set-up fails already, no later call can be the reason.
bool CanSetUp() { return MakePoller(PollerKind::kIoUring).ok(); }

TEST(PollerFallbackTest, EnterForbidden) {
  if (!CanSetUp()) GTEST_SKIP() << "no io_uring here";
  EXPECT_EXIT(
      {
        Deny(SCMP_SYS(io_uring_enter), EPERM);
        PrintWhyAndUseEpoll();
      },
      testing::ExitedWithCode(0), "io_uring_enter: Operation not permitted");
}

TEST(PollerFallbackTest, RegisterForbidden) {
  if (!CanSetUp()) GTEST_SKIP() << "no io_uring here";
  EXPECT_EXIT(
      {
        Deny(SCMP_SYS(io_uring_register), EPERM);
        PrintWhyAndUseEpoll();
      },
      testing::ExitedWithCode(0), "io_uring_register: Operation not permitted");
}

TEST(PollerFallbackTest, OthersAreLeftAlone) {
  for (const PollerKind kind :
       {PollerKind::kEpoll, PollerKind::kPoll, PollerKind::kSelect}) {
    std::string warning;
    const MadePoller made = MakePollerOrEpoll(kind, &warning);
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ((*made)->name(), PollerName(kind));
    EXPECT_EQ(warning, "");
  }
}

// In the child: finite waits without epoll_pwait2, in milliseconds.
void WaitLikeAnOldKernel() {
  const MadePoller made = MakePoller(PollerKind::kEpoll);
  if (!made.ok()) _exit(1);
  for (const Duration timeout :
       {Duration(1), Duration(std::chrono::microseconds(1700))}) {
    std::vector<PollEvent> events;
    const auto start = std::chrono::steady_clock::now();
    (*made)->Wait(timeout, &events);
    const Duration took = std::chrono::steady_clock::now() - start;
    // Rounded up to whole milliseconds, so never early.
    if (took < timeout || took < std::chrono::milliseconds(1)) _exit(3);
  }
  (*made)->Wake();
  std::vector<PollEvent> events;
  (*made)->Wait(kForever, &events);
  (*made)->Wait(Duration::zero(), &events);
  _exit(events.empty() ? 0 : 4);
}

// EPERM: filters that are older than the call.
TEST(PollerFallbackTest, EpollWithoutPwait2) {
  for (const int error : {ENOSYS, EPERM}) {
    EXPECT_EXIT(
        {
          Deny(SCMP_SYS(epoll_pwait2), error);
          WaitLikeAnOldKernel();
        },
        testing::ExitedWithCode(0), "")
        << error;
  }
}

TEST(PollerKindTest, NamesAreParsed) {
  for (const PollerKind kind : kAllPollers) {
    const absl::StatusOr<PollerKind> parsed = ParsePollerKind(PollerName(kind));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, kind);
  }
  for (const char* wrong : {"", "Epoll", "kqueue", "epoll "}) {
    const absl::Status status = ParsePollerKind(wrong).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_EQ(std::string(status.message()),
              "unknown poller '" + std::string(wrong) +
                  "'; known are epoll, poll, select, io_uring");
  }
}

}  // namespace
}  // namespace weir
