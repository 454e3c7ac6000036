// A unix socket's file that nobody listens on, and processes that start at the
// same time: one of them gets the name, whoever looked first.

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reactor/address.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"
#include "tests/support/faulty_kernel.h"

namespace weir {
namespace {

using testing::ElementsAre;

class StaleSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    // Not TempDir(): its name may be longer than a socket's may.
    std::string name = "/tmp/weir-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = directory_ + "/s";
    address_ = *Address::UnixPath(path_);
  }
  void TearDown() override {
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  void LeaveStale() const {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(fd.get(), address_.data(), address_.size()), 0);
  }
  // Listens, and runs `meanwhile` between the look at what is there and the
  // moment when the file gets its name.
  absl::StatusOr<ListeningSocket> ListenWhile(
      const std::function<void()>& meanwhile) {
    kernel_.SetHook([&](Call call, int) {
      if (call == Call::kListen) meanwhile();
    });
    auto listener = Listen(kernel_, address_);
    kernel_.SetHook(nullptr);
    return listener;
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(directory_)) {
      names.push_back(file.path().filename());
    }
    return names;
  }
  // Whether who connects to the path reaches this listener.
  bool Answers(const ListeningSocket& listener) const {
    const UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(client.get(), address_.data(), address_.size()) != 0) {
      return false;
    }
    return UniqueFd(accept(listener.fd.get(), nullptr, nullptr)).valid();
  }

  FaultyKernel kernel_;
  std::string directory_;
  std::string path_;
  Address address_;
};

TEST_F(StaleSocketTest, TheFasterOneKeepsTheName) {
  for (const bool stale : {false, true}) {
    SCOPED_TRACE(stale);
    if (stale) LeaveStale();
    std::optional<ListeningSocket> faster;
    const auto slower = ListenWhile([&] {
      auto listener = Listen(Kernel::Real(), address_);
      ASSERT_TRUE(listener.ok()) << listener.status().ToString();
      faster = *std::move(listener);
    });
    EXPECT_EQ(ErrnoOf(slower.status()), EADDRINUSE)
        << slower.status().ToString();
    ASSERT_TRUE(faster.has_value());
    EXPECT_TRUE(Answers(*faster));
    EXPECT_THAT(Files(), ElementsAre("s"));
    faster.reset();  // it still knows its file
    EXPECT_TRUE(Files().empty());
  }
}

TEST_F(StaleSocketTest, MayBeGoneByThen) {
  LeaveStale();
  auto listener = ListenWhile([&] { ASSERT_EQ(unlink(path_.c_str()), 0); });
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  EXPECT_TRUE(Answers(*listener));
  EXPECT_THAT(Files(), ElementsAre("s"));
}

TEST_F(StaleSocketTest, IsReplacedWhereRenameKnowsNoFlags) {
  for (const int error : {EINVAL, ENOSYS}) {
    for (const bool stale : {false, true}) {
      if (stale) LeaveStale();
      EXPECT_EXIT(
          {
            scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
            if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(error),
                                 SCMP_SYS(renameat2), 1,
                                 SCMP_A4(SCMP_CMP_NE, 0)) != 0 ||
                seccomp_load(filter) != 0) {
              fprintf(stderr, "seccomp failed\n");
              _exit(2);
            }
            auto listener = Listen(Kernel::Real(), address_);
            if (!listener.ok()) {
              fprintf(stderr, "%s\n", listener.status().ToString().c_str());
              _exit(3);
            }
            _exit(Answers(*listener) && Files().size() == 1 ? 0 : 4);
          },
          testing::ExitedWithCode(0), "")
          << error << (stale ? " stale" : "");
      ASSERT_EQ(unlink(path_.c_str()), 0);
    }
  }
}

}  // namespace
}  // namespace weir
