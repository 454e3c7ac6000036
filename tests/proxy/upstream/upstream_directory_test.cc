#include "proxy/upstream/upstream_directory.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "proxy/upstream/address_list.h"
#include "proxy/upstream/dns_metrics.h"
#include "proxy/upstream/resolver.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class FakeClock : public Clock {
 public:
  MonoTime Now() override { return now_; }
  int64_t WallNanos() override { return 0; }
  void Advance(Duration by) { now_ += by; }

 private:
  MonoTime now_{seconds(1000)};
};

// Answers when the test says so.
class FakeResolver : public Resolver {
 public:
  struct Question {
    std::string host;
    uint16_t port;
    Callback done;
  };

  explicit FakeResolver(std::deque<Question>* questions)
      : questions_(questions) {}
  ~FakeResolver() override { questions_->clear(); }

  void Resolve(const std::string& host, uint16_t port, Callback done) override {
    questions_->push_back({host, port, std::move(done)});
  }

 private:
  std::deque<Question>* const questions_;
};

TargetSpec Name(const std::string& host) {
  TargetSpec spec;
  spec.host = host;
  spec.port = 5432;
  return spec;
}

TargetSpec Unix(const std::string& path) {
  TargetSpec spec;
  spec.kind = TargetSpec::Kind::kUnix;
  spec.path = path;
  return spec;
}

std::vector<std::string> Texts(const AddressListPtr& list) {
  std::vector<std::string> texts;
  for (const Address& address : list->addresses) {
    texts.push_back(address.ToString());
  }
  return texts;
}

class UpstreamDirectoryTest : public testing::Test {
 protected:
  UpstreamDirectoryTest() {
    Reactor::Options options;
    options.clock = &clock_;
    options.poller = *MakePoller(PollerKind::kEpoll);
    reactor_ = std::make_unique<Reactor>(std::move(options));
  }

  void Make(const std::vector<TargetSpec>& targets) {
    directory_ = std::make_unique<UpstreamDirectory>(
        reactor_.get(), std::make_unique<FakeResolver>(&questions_), targets,
        [this](size_t target, AddressListPtr list) {
          published_.emplace_back(target, std::move(list));
        });
  }

  void Advance(Duration by) {
    clock_.Advance(by);
    reactor_->RunOnce(Duration::zero());
  }

  void Answer(absl::StatusOr<std::vector<Address>> result) {
    ASSERT_FALSE(questions_.empty());
    FakeResolver::Question question = std::move(questions_.front());
    questions_.pop_front();
    std::move(question.done)(std::move(result));
  }
  void AnswerWith(const std::string& address) {
    Answer(std::vector<Address>{*ParseIpAddress(address, 5432)});
  }

  FakeClock clock_;
  std::unique_ptr<Reactor> reactor_;
  std::deque<FakeResolver::Question> questions_;
  std::vector<std::pair<size_t, AddressListPtr>> published_;
  std::unique_ptr<UpstreamDirectory> directory_;
};

TEST_F(UpstreamDirectoryTest, LiteralsAndPathsNeedNoLookUp) {
  Make({Name("127.0.0.1"), Name("::1"), Unix("/run/db.sock"), Unix("@name")});
  EXPECT_EQ(directory_->Current(0)->generation, 0u);
  directory_->Start();
  EXPECT_TRUE(questions_.empty());
  ASSERT_EQ(published_.size(), 4u);
  EXPECT_THAT(Texts(directory_->Current(0)), ElementsAre("127.0.0.1:5432"));
  EXPECT_THAT(Texts(directory_->Current(1)), ElementsAre("[::1]:5432"));
  EXPECT_THAT(Texts(directory_->Current(2)), ElementsAre("unix:/run/db.sock"));
  EXPECT_THAT(Texts(directory_->Current(3)), ElementsAre("unix:@name"));
  EXPECT_EQ(directory_->Current(3)->generation, 1u);
  // A refused connection is no reason to ask for an address again.
  directory_->ResolveAgain(0);
  Advance(seconds(60));
  EXPECT_EQ(published_.size(), 4u);
}

TEST_F(UpstreamDirectoryTest, PublishesEachTargetByItsNumber) {
  Make({Name("a"), Name("b")});
  directory_->Start();
  ASSERT_EQ(questions_.size(), 2u);
  EXPECT_EQ(questions_[0].host, "a");
  EXPECT_EQ(questions_[0].port, 5432);
  std::swap(questions_[0], questions_[1]);
  AnswerWith("10.0.0.2");
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_EQ(published_[0].first, 1u);
  EXPECT_THAT(Texts(directory_->Current(0)), IsEmpty());
  EXPECT_THAT(Texts(directory_->Current(1)), ElementsAre("10.0.0.2:5432"));
}

TEST_F(UpstreamDirectoryTest, RepeatsAFailureWithGrowingPauses) {
  Make({Name("db")});
  directory_->Start();
  for (const int pause : {1, 2, 4, 8, 16, 30, 30}) {
    Answer(absl::UnavailableError("no luck"));
    EXPECT_EQ(published_.back().second->error, "no luck");
    Advance(seconds(pause) - milliseconds(2));
    ASSERT_TRUE(questions_.empty()) << pause;
    Advance(milliseconds(4));
    ASSERT_EQ(questions_.size(), 1u) << pause;
  }
  AnswerWith("10.0.0.1");
  EXPECT_EQ(published_.back().second->error, "");
  EXPECT_EQ(published_.back().second->generation, 8u);
  Advance(seconds(100));
  EXPECT_TRUE(questions_.empty());
  // A success also ends the growth.
  directory_->ResolveAgain(0);
  Advance(milliseconds(2));
  Answer(absl::UnavailableError("no luck"));
  Advance(milliseconds(1002));
  EXPECT_EQ(questions_.size(), 1u);
}

TEST_F(UpstreamDirectoryTest, AFailureKeepsTheLastGoodAddresses) {
  Make({Name("db")});
  directory_->Start();
  AnswerWith("10.0.0.1");
  for (int i = 0; i < 10; ++i) {
    directory_->ResolveAgain(0);
    Advance(seconds(31));
    Answer(absl::DeadlineExceededError("silence"));
    EXPECT_THAT(Texts(directory_->Current(0)), ElementsAre("10.0.0.1:5432"));
    EXPECT_EQ(directory_->Current(0)->error, "silence");
  }
  Advance(seconds(31));
  AnswerWith("10.0.0.2");
  EXPECT_THAT(Texts(directory_->Current(0)), ElementsAre("10.0.0.2:5432"));
  EXPECT_EQ(directory_->Current(0)->error, "");
}

TEST_F(UpstreamDirectoryTest, AMissingNameIsBelievedTheThirdTime) {
  Make({Name("db")});
  directory_->Start();
  AnswerWith("10.0.0.1");
  directory_->ResolveAgain(0);
  const auto fail = [this](const absl::Status& status) {
    Advance(seconds(31));
    Answer(status);
    return directory_->Current(0)->addresses.size();
  };
  EXPECT_EQ(fail(absl::NotFoundError("gone")), 1u);
  EXPECT_EQ(fail(absl::NotFoundError("gone")), 1u);
  // In a row.
  EXPECT_EQ(fail(absl::UnavailableError("failed")), 1u);
  EXPECT_EQ(fail(absl::NotFoundError("gone")), 1u);
  EXPECT_EQ(fail(absl::NotFoundError("gone")), 1u);
  EXPECT_EQ(fail(absl::NotFoundError("gone")), 0u);
  EXPECT_EQ(fail(absl::UnavailableError("failed")), 0u);
}

TEST_F(UpstreamDirectoryTest, RequestsAreOneAndNoMoreThanOneASecond) {
  Make({Name("db")});
  directory_->Start();
  directory_->ResolveAgain(0);
  directory_->ResolveAgain(0);
  EXPECT_EQ(questions_.size(), 1u);  // the first look-up still runs
  AnswerWith("10.0.0.1");
  Advance(seconds(5));
  EXPECT_TRUE(questions_.empty());  // and answered those requests

  directory_->ResolveAgain(0);
  Advance(milliseconds(2));
  ASSERT_EQ(questions_.size(), 1u);  // the last one is long ago: at once
  AnswerWith("10.0.0.1");
  for (int i = 0; i < 5; ++i) directory_->ResolveAgain(0);
  Advance(milliseconds(900));
  EXPECT_TRUE(questions_.empty());
  Advance(milliseconds(102));
  EXPECT_EQ(questions_.size(), 1u);
}

TEST_F(UpstreamDirectoryTest, ARequestDoesNotShortenAPauseAfterAFailure) {
  Make({Name("db")});
  directory_->Start();
  for (int i = 0; i < 3; ++i) {
    Answer(absl::UnavailableError("no luck"));
    Advance(seconds(31));
  }
  Answer(absl::UnavailableError("no luck"));
  directory_->ResolveAgain(0);
  Advance(seconds(7));
  EXPECT_TRUE(questions_.empty());
  Advance(milliseconds(1002));
  EXPECT_EQ(questions_.size(), 1u);
}

TEST_F(UpstreamDirectoryTest, AnAddressThatIsNoneIsAnError) {
  Make({Name("fe80::1%nosuchinterface")});
  directory_->Start();
  EXPECT_TRUE(questions_.empty());
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_THAT(Texts(published_[0].second), IsEmpty());
  EXPECT_NE(published_[0].second->error, "");
  // The interface may come.
  Advance(milliseconds(1002));
  EXPECT_EQ(published_.size(), 2u);
}

TEST_F(UpstreamDirectoryTest, DestroyedWithALookUpInFlightAndOneDue) {
  Make({Name("a"), Name("b")});
  directory_->Start();
  Answer(absl::UnavailableError("no luck"));
  EXPECT_EQ(questions_.size(), 1u);
  directory_.reset();
  EXPECT_TRUE(questions_.empty());
  Advance(seconds(60));
  EXPECT_EQ(published_.size(), 1u);
}

// By how they ended; what needs no look-up is none.
TEST_F(UpstreamDirectoryTest, CountsLookUps) {
  Make({Name("db"), Name("10.0.0.9"), Unix("/run/db")});
  directory_->Start();
  const auto count = [this](DnsResult result) {
    return directory_->dns_metrics()
        .resolutions[static_cast<size_t>(result)]
        .Value();
  };
  Answer(absl::NotFoundError("no"));
  EXPECT_EQ(count(DnsResult::kNotFound), 1u);
  Advance(seconds(31));
  Answer(absl::DeadlineExceededError("no"));
  EXPECT_EQ(count(DnsResult::kTimeout), 1u);
  Advance(seconds(31));
  Answer(absl::UnavailableError("no"));
  EXPECT_EQ(count(DnsResult::kError), 1u);
  Advance(seconds(31));
  AnswerWith("10.0.0.1");
  EXPECT_EQ(count(DnsResult::kOk), 1u);
  EXPECT_EQ(count(DnsResult::kNotFound) + count(DnsResult::kTimeout) +
                count(DnsResult::kError),
            3u);
}

}  // namespace
}  // namespace weir
