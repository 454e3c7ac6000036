#include "proxy/relay/session_log.h"

#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/connector.h"
#include "proxy/relay/peer_name.h"
#include "proxy/relay/relay_pools.h"
#include "proxy/relay/session.h"
#include "proxy/upstream/address_list.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/run_until.h"
#include "reactor/socket.h"

namespace weir {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::ElementsAre;

TEST(ShortDurationTest, ThreeDigitsAndAUnit) {
  EXPECT_EQ(ShortDuration(Duration::zero()), "0us");
  EXPECT_EQ(ShortDuration(nanoseconds(812'400)), "812us");
  EXPECT_EQ(ShortDuration(microseconds(1200)), "1.20ms");
  EXPECT_EQ(ShortDuration(microseconds(12'340)), "12.3ms");
  EXPECT_EQ(ShortDuration(milliseconds(123)), "123ms");
  EXPECT_EQ(ShortDuration(milliseconds(3410)), "3.41s");
  EXPECT_EQ(ShortDuration(milliseconds(59'900)), "59.9s");
  EXPECT_EQ(ShortDuration(seconds(60)), "1m00s");
  EXPECT_EQ(ShortDuration(seconds(605)), "10m05s");
  EXPECT_EQ(ShortDuration(minutes(60)), "1h00m");
  EXPECT_EQ(ShortDuration(minutes(125)), "2h05m");
  EXPECT_EQ(ShortDuration(minutes(60 * 1000)), "1000h00m");
}

// What rounds up to the next unit is shown in it.
TEST(ShortDurationTest, AtTheEdges) {
  EXPECT_EQ(ShortDuration(nanoseconds(999'400)), "999us");
  EXPECT_EQ(ShortDuration(nanoseconds(999'600)), "1.00ms");
  EXPECT_EQ(ShortDuration(microseconds(9'996)), "10.0ms");
  EXPECT_EQ(ShortDuration(microseconds(99'960)), "100ms");
  EXPECT_EQ(ShortDuration(microseconds(999'600)), "1.00s");
  EXPECT_EQ(ShortDuration(milliseconds(59'960)), "1m00s");
}

TEST(ShortSizeTest, ThreeDigitsAndAUnit) {
  EXPECT_EQ(ShortSize(0), "0B");
  EXPECT_EQ(ShortSize(812), "812B");
  EXPECT_EQ(ShortSize(1023), "1023B");
  EXPECT_EQ(ShortSize(1024), "1.00KiB");
  EXPECT_EQ(ShortSize(12'595), "12.3KiB");
  EXPECT_EQ(ShortSize(uint64_t{4718592}), "4.50MiB");
  EXPECT_EQ(ShortSize(uint64_t{9} << 29), "4.50GiB");
  EXPECT_EQ(ShortSize(uint64_t{1} << 40), "1.00TiB");
  EXPECT_EQ(ShortSize(uint64_t{5000} << 40), "5000TiB");
}

TEST(ShortSizeTest, AtTheEdges) {
  EXPECT_EQ(ShortSize(999 * 1024), "999KiB");
  EXPECT_EQ(ShortSize(1000 * 1024), "0.98MiB");
  EXPECT_EQ(ShortSize(10'235), "10.0KiB");
  EXPECT_EQ(ShortSize(1'023'900), "0.98MiB");  // not 1000KiB
}

// A socket on 127.0.0.1 that does not listen yet.
class Upstream {
 public:
  Upstream() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const Address any_port = Address::Loopback(AF_INET, 0);
    EXPECT_EQ(bind(fd_.get(), any_port.data(), any_port.size()), 0);
    EXPECT_EQ(GetLocalAddress(Kernel::Real(), fd_.get(), &address_), 0);
  }

  void Listen() { EXPECT_EQ(listen(fd_.get(), 4), 0); }
  UniqueFd Accept() {
    return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  const Address& address() const { return address_; }

 private:
  UniqueFd fd_;
  Address address_;
};

// Runs one session, and writes its lines as they fall due.
class SessionLogTest : public testing::Test, private SessionHost {
 protected:
  static constexpr Duration kBound = seconds(60);

  void SetUp() override {
    auto poller = MakePoller(PollerKind::kEpoll);
    ASSERT_TRUE(poller.ok()) << poller.status();
    reactor_ = std::make_unique<Reactor>(
        Reactor::Options{.poller = *std::move(poller)});
    pools_ = std::make_unique<RelayPools>(
        1 << 20, PipePool::Options{.reactor = reactor_.get()});
    spec_.name = "pg";
    spec_.target.host = "db1";
    spec_.target.port = 5432;
    spec_.target.text = "db1:5432";
    metrics_ =
        std::make_unique<ForwardMetrics>(std::vector<ForwardSpec>{spec_}, 1);
    forward_.spec = &spec_;
    forward_.metrics = &metrics_->Shard(0, 0);
    forward_.worker = &worker_metrics_;
  }

  // A session whose target is at `list`; returns the client's end.
  UniqueFd Start(AddressList list) {
    forward_.addresses = std::make_shared<AddressList>(std::move(list));
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    UniqueFd client(ends[0]);
    UniqueFd accepted(ends[1]);
    auto* const session = new Session(
        this, &forward_, 17, PeerName(Address::Loopback(AF_INET, 50212)),
        reactor_->Now());
    session->Start(std::move(accepted), FdKind::kUnix);
    return client;
  }

  void DriveUntilLines(size_t count) {
    ASSERT_TRUE(RunUntil(reactor_.get(), kBound,
                         [&] { return lines_.size() >= count; }));
    reactor_->RunOnce(Duration::zero());  // closed sessions are freed
  }

  Reactor& reactor() override { return *reactor_; }
  RelayPools& pools() override { return *pools_; }
  PortRange local_ports() const override { return {}; }
  bool verify_connects() const override { return false; }
  void OnSessionOpen(const Session& session) override {
    lines_.push_back(
        OpenLine(session, session.opened_at() + microseconds(1200), 1));
  }
  void OnConnectFailed(const Session& session) override {
    lines_.push_back(ConnectFailedLine(session));
  }
  void OnSessionClosing(const Session&, CloseReason) override {}
  void OnSessionClosed(Session* session, CloseReason reason) override {
    lines_.push_back(
        CloseLine(*session, session->opened_at() + milliseconds(3410), reason));
    reactor_->Retire(std::unique_ptr<Retired>(session));
  }
  void OnSessionDetached(Session*) override {}

  ForwardSpec spec_;
  std::unique_ptr<ForwardMetrics> metrics_;
  WorkerMetrics worker_metrics_;
  ForwardState forward_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<RelayPools> pools_;
  std::vector<std::string> lines_;
};

TEST_F(SessionLogTest, OpenAndClose) {
  Upstream upstream;
  upstream.Listen();
  UniqueFd client = Start({.addresses = {upstream.address()}, .generation = 1});
  DriveUntilLines(1);
  EXPECT_THAT(
      lines_,
      ElementsAre(
          "pg#17 open 127.0.0.1:50212 -> db1:5432 (127.0.0.1) 1.20ms r1"));

  // 812 bytes up and 2 KiB down, which wait for whoever reads them.
  UniqueFd server = upstream.Accept();
  ASSERT_TRUE(server.valid());
  const std::string bytes(2048, 'x');
  ASSERT_EQ(send(client.get(), bytes.data(), 812, MSG_NOSIGNAL), 812);
  ASSERT_EQ(send(server.get(), bytes.data(), 2048, MSG_NOSIGNAL), 2048);
  ASSERT_EQ(shutdown(client.get(), SHUT_WR), 0);
  std::string got(812, '\0');
  reactor_->RunOnce(kBound);
  ASSERT_EQ(recv(server.get(), got.data(), got.size(), MSG_WAITALL), 812);
  ASSERT_EQ(shutdown(server.get(), SHUT_WR), 0);
  DriveUntilLines(2);
  EXPECT_EQ(lines_[1], "pg#17 close 3.41s up 812B down 2.00KiB client_fin");
}

TEST_F(SessionLogTest, AnAddressThatIsTheTargetIsNotSaidTwice) {
  Upstream upstream;
  spec_.target.host = "127.0.0.1";
  spec_.target.text = upstream.address().ToString();
  upstream.Listen();
  const UniqueFd client =
      Start({.addresses = {upstream.address()}, .generation = 1});
  DriveUntilLines(1);
  EXPECT_EQ(lines_[0], "pg#17 open 127.0.0.1:50212 -> " +
                           upstream.address().ToString() + " 1.20ms r1");
  upstream.Accept();
  shutdown(client.get(), SHUT_WR);
  DriveUntilLines(2);
}

TEST_F(SessionLogTest, ConnectRefused) {
  const Upstream upstream;
  const UniqueFd client =
      Start({.addresses = {upstream.address()}, .generation = 1});
  DriveUntilLines(2);
  EXPECT_THAT(
      lines_,
      ElementsAre(
          "pg: cannot connect to db1:5432 (127.0.0.1): Connection refused",
          "pg#17 close 3.41s up 0B down 0B connect_refused"));
}

TEST_F(SessionLogTest, NameThatDoesNotResolve) {
  const UniqueFd client = Start({.generation = 1, .error = "no such name"});
  DriveUntilLines(2);
  EXPECT_THAT(lines_,
              ElementsAre("pg: cannot resolve db1: no such name",
                          "pg#17 close 3.41s up 0B down 0B dns_failed"));
}

TEST_F(SessionLogTest, NameThatNobodyAnswersFor) {
  spec_.connect_timeout = milliseconds(20);
  const UniqueFd client = Start({});
  DriveUntilLines(2);
  EXPECT_EQ(lines_[0],
            "pg: cannot resolve db1: no answer from the name servers in time");
}

}  // namespace
}  // namespace weir
