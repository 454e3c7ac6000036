#include "proxy/client/exit_watch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "proxy/client/admin_client.h"
#include "proxy/lifecycle/instance_file.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/fd.h"

namespace weir {
namespace {

using State = ExitWatch::State;
constexpr Duration kShort = std::chrono::milliseconds(20);

class ExitWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/watch.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    socket_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Address any = Address::Loopback(AF_INET, 0);
    ASSERT_EQ(bind(socket_.get(), any.data(), any.size()), 0);
    sockaddr_in name;
    socklen_t size = sizeof(name);
    ASSERT_EQ(
        getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&name), &size),
        0);
    place_ = Address::Loopback(AF_INET, ntohs(name.sin_port));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // This process says that its admin port is there.
  void Say(const Address& admin) {
    ASSERT_TRUE(file_.Write(folder_ + "/weir", admin).ok());
  }

  ExitWatch Watch(const AdminClient& client) const {
    return ExitWatch(&client, getpid(), folder_ + "/weir");
  }

  std::string folder_;
  UniqueFd socket_;  // bound to place_; nobody listens
  Address place_;
  InstanceFile file_;
};

TEST_F(ExitWatchTest, LooksAtTheProcessOfThatAddress) {
  // As an instance file has it: of any address, the client's is this machine's.
  Say(*ParseIpAddress("0.0.0.0", place_.port()));
  const AdminClient client(place_);
  EXPECT_EQ(Watch(client).Wait(kShort), State::kThere)
      << "nobody answers, but the process runs";
}

// A weir of a container may have the pid of one that runs here.
TEST_F(ExitWatchTest, APidAtAnotherAddressIsAnother) {
  Say(Address::Loopback(AF_INET, 1));
  const AdminClient client(place_);
  EXPECT_EQ(Watch(client).Wait(std::chrono::minutes(1)), State::kGone);
}

TEST_F(ExitWatchTest, SilenceIsNotToBeGoneAndTakesNoLongerThanAllowed) {
  ASSERT_EQ(listen(socket_.get(), 1), 0);
  const AdminClient client(place_);
  const MonoTime begin = Clock::Real().Now();
  EXPECT_EQ(Watch(client).Wait(kShort), State::kSilent);
  // A request may take 5 s.
  EXPECT_LT(Clock::Real().Now() - begin, std::chrono::seconds(4));
}

}  // namespace
}  // namespace weir
