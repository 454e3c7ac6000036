#include "proxy/observe/admin.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/http_server.h"
#include "metrics/registry.h"
#include "nlohmann/json.hpp"
#include "proxy/observe/health.h"
#include "proxy/observe/probes.h"
#include "reactor/address.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"
#include "tests/metrics/http_client.h"

namespace weir {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class AdminTest : public testing::Test {
 protected:
  AdminTest() {
    AddStateMetrics("1.2.3", &health_, &registry_);
    options_.registry = &registry_;
    options_.health = &health_;
    options_.facts.version = "1.2.3";
    options_.facts.pid = 42;
    options_.facts.poller = "epoll";
    options_.facts.flags = {{"reactors", "1"}, {"admin", "\xff"}};
    options_.facts.forwards = {{"pg",
                                "pg@5432=db:5432",
                                {"127.0.0.1:5432"},
                                "db:5432",
                                {{"idle", "off"}}}};
    options_.loops = {
        {"0", [] { return std::chrono::nanoseconds(0); }},
        {"control", [this] { return std::chrono::nanoseconds(age_.load()); }}};
    options_.request_drain = [this] { ++drains_; };
    options_.set_log_level = [this](LogLevel level) { level_ = level; };
  }

  void Start() {
    admin_ = std::make_unique<Admin>(options_);
    ASSERT_TRUE(admin_->Serve(ListenOnLoopback(&port_)).ok());
    ASSERT_TRUE(admin_->Start().ok());
  }

  // The whole answer, head and body.
  std::string Ask(const std::string& method, const std::string& path,
                  const std::string& headers = "",
                  const std::string& host = "127.0.0.1") {
    return Ask(HttpClient(port_), method, path, headers, host);
  }
  static std::string Ask(HttpClient client, const std::string& method,
                         const std::string& path, const std::string& headers,
                         const std::string& host) {
    const std::string request =
        method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers +
        "Connection: close\r\nContent-Length: 0\r\n\r\n";
    EXPECT_TRUE(client.Send(request));
    return client.ReadAll();
  }

  json Json(const std::string& path) {
    const std::string answer = Ask("GET", path);
    EXPECT_EQ(HeaderOf(answer, "Content-Type"), "application/json");
    return json::parse(BodyOf(answer));
  }

  // A POST's status and body, in one line.
  std::string Post(const std::string& path) {
    const std::string answer = Ask("POST", path);
    return std::to_string(StatusOf(answer)) + " " + BodyOf(answer);
  }

  Health health_;
  Registry registry_;
  std::atomic<int64_t> age_{0};
  std::atomic<int> drains_{0};
  std::atomic<LogLevel> level_{LogLevel::kInfo};
  Admin::Options options_;
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
  EXPECT_THAT(live, HasSubstr("control: stuck for 30.0 s\n"));
}

TEST_F(AdminTest, LiveSaysThatItSeesNoLoop) {
  options_.loops[0].age = nullptr;
  Start();
  EXPECT_EQ(BodyOf(Ask("GET", "/live")), "live (loops are not observed)\n");
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

TEST_F(AdminTest, StatusHasTheProcessAndItsMetrics) {
  Start();
  const json status = Json("/status");
  EXPECT_EQ(status["version"], "1.2.3");
  EXPECT_EQ(status["pid"], 42);
  EXPECT_EQ(status["phase"], "starting");
  EXPECT_EQ(status["stall_injection"], false);
  EXPECT_GT(status["time_seconds"].get<double>(), 1e9);
  EXPECT_EQ(status["forwards"][0],
            json::parse(R"({"name":"pg","spec":"pg@5432=db:5432",
                            "listen":["127.0.0.1:5432"],"target":"db:5432"})"));
  EXPECT_EQ(status["metrics"]["weir_ready"]["series"][0]["value"], 0);
}

TEST_F(AdminTest, ConfigHasFlagsAndKeys) {
  Start();
  const json config = Json("/config");
  EXPECT_EQ(config["flags"]["reactors"], "1");
  EXPECT_EQ(config["flags"]["admin"], "\xef\xbf\xbd");  // not UTF-8: replaced
  EXPECT_EQ(config["forwards"][0]["keys"]["idle"], "off");
}

// Whatever changes something: no web page and no GET may do it.
TEST_F(AdminTest, CommandsAreTakenFromThisMachineByPostAlone) {
  options_.inject_stall = [](const StallOrder&) { ADD_FAILURE(); };
  options_.set_log_level = [](LogLevel) { ADD_FAILURE(); };
  options_.workers = {{.name = "0",
                       .list = nullptr,
                       .kill = [](uint64_t, const auto&) { ADD_FAILURE(); }}};
  Start();
  for (const char* const path :
       {"/drain", "/log_level?level=error", "/connections/17/close",
        "/debug/stall?reactor=0&ms=1"}) {
    EXPECT_THAT(Ask("GET", path), StartsWith("HTTP/1.1 405")) << path;
    for (const char* const headers :
         {"Origin: http://example.com\r\n", "Origin: null\r\n",
          "Host: example.com\r\n"}) {
      EXPECT_THAT(Ask("POST", path, headers), StartsWith("HTTP/1.1 403"))
          << path << headers;
    }
    // A page of this very name, which somebody's DNS made to lead here.
    EXPECT_THAT(Ask("POST", path, "", "example.com"),
                StartsWith("HTTP/1.1 403"));
    EXPECT_THAT(
        Ask("POST", path, "Origin: http://example.com\r\n", "example.com"),
        StartsWith("HTTP/1.1 403"));
  }
  EXPECT_EQ(drains_, 0);
}

// Nor does it read what is this machine's own business; a scraper may call it
// what it likes.
TEST_F(AdminTest, APageOfAnotherNameReadsNothingOfInterest) {
  Start();
  for (const char* const method : {"GET", "HEAD"}) {
    for (const char* const path : {"/status", "/config", "/debug/reactors",
                                   "/debug/connections?limit=1"}) {
      EXPECT_THAT(Ask(method, path, "", "example.com"),
                  StartsWith("HTTP/1.1 403"))
          << path;
      EXPECT_THAT(Ask(method, path, "Host: localhost\r\n"),
                  StartsWith("HTTP/1.1 403"))
          << path;
      EXPECT_THAT(Ask(method, path, "", "localhost:9464"),
                  StartsWith("HTTP/1.1 200"))
          << path;
    }
    for (const char* const path : {"/metrics", "/live", "/", "/page.js"}) {
      EXPECT_THAT(Ask(method, path, "", "example.com"),
                  StartsWith("HTTP/1.1 200"))
          << path;
    }
  }
}

// Of a unix socket only its mode decides, but no page is let in by a proxy.
TEST_F(AdminTest, AProgramOnAUnixSocketMayUseAnyHost) {
  const absl::StatusOr<Address> address =
      Address::UnixAbstract("weir-admin-test-" + std::to_string(getpid()));
  ASSERT_TRUE(address.ok());
  absl::StatusOr<ListeningSocket> socket = Listen(Kernel::Real(), *address);
  ASSERT_TRUE(socket.ok()) << socket.status();
  Start();
  Admin admin(options_);
  ASSERT_TRUE(admin.Serve(socket->fd.Release()).ok());
  ASSERT_TRUE(admin.Start().ok());
  const auto ask = [&](const std::string& method, const std::string& path,
                       const std::string& headers) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, address->data(), address->size()), 0);
    return StatusOf(
        Ask(HttpClient::Of(fd), method, path, headers, "example.com"));
  };
  EXPECT_EQ(ask("GET", "/config", ""), 200);
  EXPECT_EQ(ask("POST", "/drain", "Origin: http://example.com\r\n"), 403);
  EXPECT_EQ(ask("POST", "/drain", "Origin: null\r\n"), 403);
  EXPECT_EQ(drains_, 0);
  EXPECT_EQ(ask("POST", "/drain", ""), 202);
  EXPECT_EQ(drains_, 1);
}

TEST_F(AdminTest, DrainIsAskedByPost) {
  Start();
  EXPECT_EQ(Post("/drain"), "202 draining\n");
  EXPECT_EQ(drains_, 1);
}

TEST_F(AdminTest, SetsTheLogLevel) {
  Start();
  EXPECT_EQ(Post("/log_level?level=verbose"), "200 {\"level\":\"verbose\"}\n");
  EXPECT_EQ(level_, LogLevel::kVerbose);
  EXPECT_EQ(Post("/log_level?level=error"), "200 {\"level\":\"error\"}\n");
  EXPECT_EQ(level_, LogLevel::kError);
  EXPECT_EQ(Post("/log_level?level=loud"),
            "400 level must be error, warning, info, verbose, not \"loud\"\n");
  EXPECT_EQ(Post("/log_level"),
            "400 level must be error, warning, info, verbose\n");
  EXPECT_THAT(Post("/log_level?level=%zz"), StartsWith("400 bad escape"));
  EXPECT_THAT(Post("/log_level?level=info&x"),
              StartsWith("400 unknown parameter \"x\""));
  EXPECT_EQ(level_, LogLevel::kError);
}

TEST_F(AdminTest, StallsAreRefusedUnlessAllowed) {
  Start();
  EXPECT_THAT(
      Post("/debug/stall?reactor=0&ms=300&how=cpu"),
      testing::AllOf(StartsWith("403 "), HasSubstr("--allow_stall_injection")));
}

TEST_F(AdminTest, ALoopTakesOneOrderOfAStallAtATime) {
  std::mutex mutex;
  std::vector<StallOrder> orders;
  options_.inject_stall = [&](StallOrder order) {
    const std::lock_guard<std::mutex> lock(mutex);
    orders.push_back(std::move(order));
  };
  Start();
  const std::string path = "/debug/stall?ms=1&reactor=";
  EXPECT_THAT(Post(path + "0"), StartsWith("202 "));
  EXPECT_EQ(Post(path + "0"), "503 a stall is already ordered for reactor 0\n");
  EXPECT_THAT(Post(path + "0&connection=1"), StartsWith("503 "));
  EXPECT_THAT(Post(path + "control"), StartsWith("202 "));
  {
    const std::lock_guard<std::mutex> lock(mutex);
    orders.erase(orders.begin());  // it is over
  }
  EXPECT_THAT(Post(path + "0"), StartsWith("202 "));
  EXPECT_THAT(Post(path + "control"), StartsWith("503 "));
}

TEST_F(AdminTest, OrdersAStall) {
  std::mutex mutex;
  std::vector<StallOrder> orders;
  options_.inject_stall = [&](StallOrder order) {
    // Connection 5 is there, 6 is not, 7 is never answered for.
    if (order.connection < 7) order.begins(order.connection != 6);
    const std::lock_guard<std::mutex> lock(mutex);
    order.begins = nullptr;  // over
    orders.push_back(std::move(order));
  };
  Start();
  EXPECT_EQ(Post("/debug/stall?reactor=0&ms=300&how=blocked"),
            "202 {\"reactor\":\"0\",\"ms\":300,\"how\":\"blocked\"}\n");
  EXPECT_EQ(Post("/debug/stall?reactor=control&ms=1"),
            "202 {\"reactor\":\"control\",\"ms\":1,\"how\":\"cpu\"}\n");
  EXPECT_THAT(Post("/debug/stall?reactor=0&ms=1&connection=5"),
              StartsWith("202 "));
  EXPECT_EQ(Post("/debug/stall?reactor=0&ms=1&connection=6"),
            "404 reactor 0 has no connection 6\n");
  EXPECT_THAT(Post("/debug/stall?reactor=0&ms=1&connection=7"),
              StartsWith("504 reactor 0 did not answer within 250 ms"));
  const std::lock_guard<std::mutex> lock(mutex);
  ASSERT_EQ(orders.size(), 5u);
  EXPECT_EQ(orders[0].loop, 0u);
  EXPECT_EQ(orders[0].how, StallOrder::How::kBlocked);
  EXPECT_EQ(orders[0].duration, std::chrono::milliseconds(300));
  EXPECT_EQ(orders[0].connection, 0u);
  EXPECT_EQ(orders[1].loop, 1u);
  EXPECT_EQ(orders[2].connection, 5u);
}

TEST_F(AdminTest, SaysWhatIsWrongWithAStall) {
  options_.inject_stall = [](const StallOrder&) { ADD_FAILURE(); };
  Start();
  for (const auto& [query, error] :
       std::vector<std::pair<std::string, std::string>>{
           {"", "reactor must be 0, control"},
           {"?reactor=9&ms=1", "reactor must be 0, control, not \"9\""},
           {"?reactor=0", "ms must be a number from 1 to 60000"},
           {"?reactor=0&ms=0", "ms must be a number from 1 to 60000, not"},
           {"?reactor=0&ms=60001", "ms must be a number from 1 to 60000, not"},
           {"?reactor=0&ms=1&how=gently", "how must be cpu, blocked, not"},
           {"?reactor=0&ms=1&connection=0", "connection must be a number"},
           {"?reactor=0&ms=1&connection=x", "connection must be a number"},
           {"?reactor=0&ms=1&ms=2", "ms is given twice"},
           {"?reactor=0&m=1", "unknown parameter \"m\""},
           {"?reactor=%", "bad escape"}}) {
    const std::string said = Post("/debug/stall" + query);
    EXPECT_THAT(said, StartsWith("400 " + error)) << query;
    EXPECT_EQ(said.find('\n'), said.size() - 1) << query;
  }
}

TEST_F(AdminTest, ThePageRunsNothingButItsOwnFiles) {
  Start();
  const std::string page = Ask("GET", "/");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(HeaderOf(page, "Content-Type"), StartsWith("text/html"));
  const std::string policy = HeaderOf(page, "Content-Security-Policy");
  EXPECT_THAT(policy, HasSubstr("default-src 'self'"));
  EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  EXPECT_EQ(HeaderOf(page, "X-Frame-Options"), "DENY");
  EXPECT_EQ(StatusOf(Ask("GET", "/page.css")), 200);
}

TEST_F(AdminTest, AnUnknownPathListsWhatThereIs) {
  Start();
  const std::string page = Ask("GET", "/nothing");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 404"));
  for (const char* const path :
       {"GET /metrics\n", "GET /startup\n", "GET /ready\n", "GET /live\n",
        "GET /status\n", "GET /config\n", "GET /debug/reactors\n",
        "GET /debug/connections\n", "POST /drain\n", "POST /log_level\n",
        "POST /connections/{id}/close\n", "POST /debug/stall\n"}) {
    EXPECT_THAT(page, HasSubstr(path));
  }
}

TEST_F(AdminTest, ProbesAloneTakeNothingElse) {
  HttpServer server;
  AddProbes(&registry_, &health_, options_.loops, &server);
  ASSERT_TRUE(server.Serve(ListenOnLoopback(&port_)).ok());
  ASSERT_TRUE(server.Start().ok());
  for (const char* const path : {"/startup", "/ready", "/live", "/metrics"}) {
    EXPECT_NE(StatusOf(Ask("GET", path)), 404) << path;
    EXPECT_NE(StatusOf(Ask("HEAD", path)), 405) << path;
    EXPECT_EQ(StatusOf(Ask("POST", path)), 405) << path;
  }
  for (const char* const path :
       {"/", "/status", "/config", "/debug/reactors", "/debug/connections",
        "/drain", "/log_level", "/debug/stall", "/connections/1/close"}) {
    EXPECT_EQ(StatusOf(Ask("GET", path)), 404) << path;
    EXPECT_EQ(StatusOf(Ask("POST", path)), 404) << path;
  }
}

}  // namespace
}  // namespace weir
