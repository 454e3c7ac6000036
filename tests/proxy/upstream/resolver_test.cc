#include "proxy/upstream/resolver.h"

#include <dirent.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/run_until.h"
#include "tests/proxy/upstream/fake_dns_server.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

using Result = absl::StatusOr<std::vector<Address>>;

// Only a failing test waits for so long.
constexpr Duration kBound = seconds(60);

std::vector<std::string> Texts(const Result& result) {
  std::vector<std::string> texts;
  if (!result.ok()) return {std::string(result.status().message())};
  for (const Address& address : *result) texts.push_back(address.ToString());
  return texts;
}

int OpenFds() {
  DIR* const dir = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count;
}

class ResolverTest : public testing::TestWithParam<PollerKind> {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Poller>> poller = MakePoller(GetParam());
    if (!poller.ok()) GTEST_SKIP() << poller.status();
    Reactor::Options options;
    options.poller = *std::move(poller);
    reactor_ = std::make_unique<Reactor>(std::move(options));
    server_ = std::make_unique<FakeDnsServer>(reactor_.get());
    fds_ = OpenFds();
    Make({});
  }

  void TearDown() override {
    if (reactor_ == nullptr) return;
    resolver_.reset();
    // Whatever c-ares opened is closed, at the latest a round later (io_uring).
    const MonoTime bound = Clock::Real().Now() + kBound;
    while (OpenFds() > fds_ && Clock::Real().Now() < bound) {
      reactor_->RunOnce(milliseconds(10));
    }
    EXPECT_EQ(OpenFds(), fds_);
    server_.reset();
    reactor_->RunOnce(Duration::zero());
  }

  void Make(Resolver::Options options) {
    if (options.servers.empty()) options.servers = server_->address();
    resolver_.reset();
    absl::StatusOr<std::unique_ptr<Resolver>> made =
        Resolver::Create(reactor_.get(), options);
    ASSERT_TRUE(made.ok()) << made.status();
    resolver_ = *std::move(made);
  }

  // Starts a look-up whose end is put into `*result`.
  void Ask(const std::string& host, std::optional<Result>* result) {
    resolver_->Resolve(
        host, 5432, [result](Result answer) { *result = std::move(answer); });
  }

  bool Until(absl::FunctionRef<bool()> so) {
    return RunUntil(reactor_.get(), kBound, so);
  }

  Result Resolve(const std::string& host) {
    std::optional<Result> result;
    Ask(host, &result);
    if (!Until([&] { return result.has_value(); })) {
      return absl::InternalError("no end");
    }
    return *std::move(result);
  }

  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<FakeDnsServer> server_;
  std::unique_ptr<Resolver> resolver_;
  int fds_ = 0;
};

TEST_P(ResolverTest, BothFamiliesWithThePort) {
  server_->zones["db.test"] = {.v4 = {"127.0.0.5", "127.0.0.6"}, .v6 = {"::1"}};
  EXPECT_THAT(
      Texts(Resolve("db.test.")),
      UnorderedElementsAre("127.0.0.5:5432", "127.0.0.6:5432", "[::1]:5432"));
}

TEST_P(ResolverTest, OneFamilyIsEnough) {
  server_->zones["four.test"] = {.v4 = {"127.0.0.5"}};
  server_->zones["six.test"] = {.v6 = {"::1"}};
  EXPECT_THAT(Texts(Resolve("four.test.")), ElementsAre("127.0.0.5:5432"));
  EXPECT_THAT(Texts(Resolve("six.test.")), ElementsAre("[::1]:5432"));
}

TEST_P(ResolverTest, ThousandsOfBytesComeOverTcp) {
  FakeDnsServer::Zone zone{.truncated = true};
  for (int i = 1; i <= 200; ++i) {
    zone.v4.push_back("127.0.3." + std::to_string(i));
  }
  server_->zones["many.test"] = zone;
  const Result result = Resolve("many.test.");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), 200u);
  EXPECT_GE(server_->tcp_questions, 1);
}

TEST_P(ResolverTest, NoSuchName) {
  const Result result = Resolve("gone.test.");
  EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
  EXPECT_THAT(Texts(result),
              ElementsAre("cannot resolve gone.test.: no such name"));
}

TEST_P(ResolverTest, ANameWithoutAnAddress) {
  server_->zones["empty.test"] = {};
  const Result result = Resolve("empty.test.");
  EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
  EXPECT_THAT(Texts(result), ElementsAre(HasSubstr("no address")));
}

TEST_P(ResolverTest, AServerThatFails) {
  server_->zones["db.test"] = {.v4 = {"127.0.0.5"}, .rcode = 2};
  const Result result = Resolve("db.test.");
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_THAT(Texts(result), ElementsAre(HasSubstr("db.test")));
}

TEST_P(ResolverTest, AServerThatRefuses) {
  server_->zones["db.test"] = {.rcode = 5};
  EXPECT_TRUE(absl::IsUnavailable(Resolve("db.test.").status()));
}

TEST_P(ResolverTest, NoServerAtThatPort) {
  std::string nobody;
  {
    FakeDnsServer gone(reactor_.get());
    nobody = gone.address();
  }
  reactor_->RunOnce(Duration::zero());
  Make({.servers = nobody});
  EXPECT_TRUE(absl::IsUnavailable(Resolve("db.test.").status()));
}

// One bound for the whole look-up, though c-ares itself would try for longer.
TEST_P(ResolverTest, ASilentServerCostsNoMoreThanTheTimeout) {
  server_->zones["db.test"] = {.silent = true};
  Make({.timeout = milliseconds(150),
        .try_timeout = milliseconds(20),
        .tries = 1000});
  const MonoTime begin = Clock::Real().Now();
  const Result result = Resolve("db.test.");
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  EXPECT_GE(Clock::Real().Now() - begin, milliseconds(150));
  // Nothing goes on behind it. (What was sent before may still lie in the
  // server's socket.)
  int questions = -1;
  while (questions != server_->udp_questions) {
    questions = server_->udp_questions;
    reactor_->RunOnce(Duration::zero());
  }
  EXPECT_GE(questions, 3);  // A, AAAA, and again
  reactor_->RunOnce(milliseconds(100));
  EXPECT_EQ(server_->udp_questions, questions);
  // The channel still works.
  server_->zones["db.test"] = {.v4 = {"127.0.0.5"}};
  Make({});
  EXPECT_TRUE(Resolve("db.test.").ok());
}

TEST_P(ResolverTest, ALostDatagramIsAskedAgain) {
  server_->zones["db.test"] = {.silent = true};
  Make(
      {.timeout = seconds(60), .try_timeout = milliseconds(20), .tries = 1000});
  std::optional<Result> result;
  Ask("db.test.", &result);
  ASSERT_TRUE(Until([&] { return server_->udp_questions >= 2; }));
  server_->zones["db.test"] = {.v4 = {"127.0.0.5"}};
  ASSERT_TRUE(Until([&] { return result.has_value(); }));
  EXPECT_THAT(Texts(*result), ElementsAre("127.0.0.5:5432"));
}

TEST_P(ResolverTest, AnAnswerWithAnotherIdIsIgnored) {
  server_->zones["db.test"] = {.v4 = {"127.0.0.5"}, .forged = true};
  EXPECT_THAT(Texts(Resolve("db.test.")), ElementsAre("127.0.0.5:5432"));
}

TEST_P(ResolverTest, AskedAgainItSeesWhatChanged) {
  server_->zones["db.test"] = {.v4 = {"127.0.0.5"}};
  EXPECT_THAT(Texts(Resolve("db.test.")), ElementsAre("127.0.0.5:5432"));
  server_->zones["db.test"] = {.v4 = {"127.0.0.6"}};
  EXPECT_THAT(Texts(Resolve("db.test.")), ElementsAre("127.0.0.6:5432"));
}

TEST_P(ResolverTest, ManyAtOnce) {
  constexpr int kNames = 50;
  std::vector<std::optional<Result>> results(kNames);
  for (int i = 0; i < kNames; ++i) {
    const std::string name = "n" + std::to_string(i) + ".test";
    server_->zones[name] = {.v4 = {"127.0.1." + std::to_string(i)}};
    Ask(name + ".", &results[static_cast<size_t>(i)]);
  }
  for (int i = 0; i < kNames; ++i) {
    const auto& result = results[static_cast<size_t>(i)];
    ASSERT_TRUE(Until([&] { return result.has_value(); }));
    EXPECT_THAT(Texts(*result),
                ElementsAre("127.0.1." + std::to_string(i) + ":5432"));
  }
}

TEST_P(ResolverTest, NeedsNoServerForLiteralsAndLocalhost) {
  server_->zones["localhost"] = {.silent = true};
  EXPECT_THAT(Texts(Resolve("127.0.0.9")), ElementsAre("127.0.0.9:5432"));
  EXPECT_THAT(Texts(Resolve("::1")), ElementsAre("[::1]:5432"));
  EXPECT_THAT(Texts(Resolve("localhost")), testing::Contains("127.0.0.1:5432"));
  EXPECT_EQ(server_->udp_questions, 0);
}

TEST_P(ResolverTest, NotAName) {
  const std::string label(64, 'a');
  EXPECT_FALSE(Resolve("a..b").ok());
  EXPECT_FALSE(Resolve(label + ".test.").ok());
  EXPECT_EQ(server_->udp_questions, 0);
}

// Shutdown with a question in flight: the callback is destroyed, not run.
TEST_P(ResolverTest, DestroyedWithALookUpInFlight) {
  server_->zones["db.test"] = {.silent = true};
  auto owned = std::make_shared<int>(0);
  resolver_->Resolve("db.test.", 1, [owned](const Result&) { ++*owned; });
  ASSERT_TRUE(Until([&] { return server_->udp_questions > 0; }));
  EXPECT_EQ(owned.use_count(), 2);
  resolver_.reset();
  EXPECT_EQ(owned.use_count(), 1);
  EXPECT_EQ(*owned, 0);
}

TEST_P(ResolverTest, ServersThatAreNone) {
  for (const char* const servers :
       {"nonsense", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:65536",
        "1.2.3.4.5", "[::1", "[::1]53", "::1]:53", "127.0.0.1,", ","}) {
    const absl::StatusOr<std::unique_ptr<Resolver>> made =
        Resolver::Create(reactor_.get(), {.servers = servers});
    EXPECT_TRUE(absl::IsInvalidArgument(made.status())) << servers;
  }
}

TEST_P(ResolverTest, ServersInAllForms) {
  for (const char* const servers : {"127.0.0.1", "127.0.0.1:53", "::1", "[::1]",
                                    "[::1]:5353", "10.0.0.2:53,[::1]:5353"}) {
    const absl::StatusOr<std::unique_ptr<Resolver>> made =
        Resolver::Create(reactor_.get(), {.servers = servers});
    EXPECT_TRUE(made.ok()) << made.status();
  }
}

// The first is dead: the second is asked.
TEST_P(ResolverTest, TheNextServerAnswers) {
  FakeDnsServer dead(reactor_.get());
  dead.zones["db.test"] = {.silent = true};
  server_->zones["db.test"] = {.v4 = {"127.0.0.5"}};
  Make({.servers = dead.address() + "," + server_->address(),
        .try_timeout = milliseconds(20)});
  EXPECT_THAT(Texts(Resolve("db.test.")), ElementsAre("127.0.0.5:5432"));
  EXPECT_GE(dead.udp_questions, 1);
  resolver_.reset();
}

INSTANTIATE_TEST_SUITE_P(Pollers, ResolverTest, testing::ValuesIn(kAllPollers),
                         [](const testing::TestParamInfo<PollerKind>& poller) {
                           return std::string(PollerName(poller.param));
                         });

}  // namespace
}  // namespace weir
