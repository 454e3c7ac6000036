#include "proxy/observe/admin.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "proxy/observe/health.h"
#include "tests/metrics/http_client.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class AdminTest : public testing::Test {
 protected:
  AdminTest() {
    AddStateMetrics("1.2.3", &health_, &registry_);
    admin_ = std::make_unique<Admin>(Admin::Options{
        .registry = &registry_,
        .health = &health_,
        .loops = {{"0", [] { return std::chrono::nanoseconds(0); }},
                  {"control",
                   [this] { return std::chrono::nanoseconds(age_.load()); }}},
        .request_drain = [this] { ++drains_; }});
  }

  void Start() {
    ASSERT_TRUE(admin_->Serve(ListenOnLoopback(&port_)).ok());
    ASSERT_TRUE(admin_->Start().ok());
  }

  // The whole answer, head and body.
  std::string Ask(const std::string& method, const std::string& path,
                  const std::string& headers = "") {
    HttpClient client(port_);
    const std::string request =
        method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers +
        "Connection: close\r\nContent-Length: 0\r\n\r\n";
    EXPECT_TRUE(client.Send(request));
    return client.ReadAll();
  }

  Health health_;
  Registry registry_;
  std::atomic<int64_t> age_{0};
  std::atomic<int> drains_{0};
  std::unique_ptr<Admin> admin_;
  uint16_t port_ = 0;
};

TEST_F(AdminTest, ProbesFollowThePhase) {
  Start();
  EXPECT_THAT(Ask("GET", "/startup"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Ask("GET", "/ready"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Ask("GET", "/live"), StartsWith("HTTP/1.1 200"));
  health_.Set(Health::Phase::kReady);
  EXPECT_THAT(Ask("GET", "/startup"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask("GET", "/ready"), StartsWith("HTTP/1.1 200"));
  health_.Set(Health::Phase::kDraining);
  EXPECT_THAT(Ask("GET", "/startup"), StartsWith("HTTP/1.1 200"));
  const std::string ready = Ask("GET", "/ready");
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(ready, HasSubstr("draining"));
  EXPECT_THAT(Ask("GET", "/live"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminTest, LiveNamesTheLoopThatIsStuck) {
  Start();
  age_ = std::chrono::nanoseconds(std::chrono::milliseconds(29'999)).count();
  EXPECT_THAT(Ask("GET", "/live"), StartsWith("HTTP/1.1 200"));
  age_ = std::chrono::nanoseconds(std::chrono::seconds(30)).count();
  const std::string live = Ask("GET", "/live");
  EXPECT_THAT(live, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(live, HasSubstr("control: stuck for 30.0 s"));
}

TEST_F(AdminTest, MetricsShowTheState) {
  Start();
  health_.Set(Health::Phase::kReady);
  std::string page = Ask("GET", "/metrics");
  EXPECT_THAT(page, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(page, HasSubstr("weir_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("weir_ready 1\n"));
  EXPECT_THAT(page, HasSubstr("weir_draining 0\n"));
  health_.Set(Health::Phase::kDraining);
  page = Ask("GET", "/metrics");
  EXPECT_THAT(page, HasSubstr("weir_ready 0\n"));
  EXPECT_THAT(page, HasSubstr("weir_draining 1\n"));
}

TEST_F(AdminTest, DrainIsAskedByPostAlone) {
  Start();
  EXPECT_THAT(Ask("GET", "/drain"), StartsWith("HTTP/1.1 405"));
  // A web page cannot drain a proxy.
  EXPECT_THAT(Ask("POST", "/drain", "Origin: http://example.com\r\n"),
              StartsWith("HTTP/1.1 403"));
  EXPECT_EQ(drains_, 0);
  EXPECT_THAT(Ask("POST", "/drain"), StartsWith("HTTP/1.1 202"));
  EXPECT_EQ(drains_, 1);
}

TEST_F(AdminTest, TheFrontPageListsWhatThereIs) {
  Start();
  const std::string page = Ask("GET", "/");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200"));
  for (const char* const path :
       {"/metrics", "/startup", "/ready", "/live", "/drain"}) {
    EXPECT_THAT(page, HasSubstr(path));
  }
  EXPECT_THAT(Ask("GET", "/nothing"), StartsWith("HTTP/1.1 404"));
}

}  // namespace
}  // namespace weir
