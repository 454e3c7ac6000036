// A server whose clients do what they should not.

#ifndef TESTS_METRICS_HTTP_OVERLOAD_RIG_H_
#define TESTS_METRICS_HTTP_OVERLOAD_RIG_H_

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "gtest/gtest.h"
#include "metrics/http_message.h"
#include "metrics/http_server.h"
#include "tests/metrics/http_client.h"

namespace weir {

// More than a client that does not read is sent: see Start().
inline constexpr size_t kLarge = 4'000'000;

class HttpOverloadTest : public testing::Test {
 protected:
  void Start(HttpServer::Options options) {
    server_ = std::make_unique<HttpServer>(options);
    const auto answer = [this](const HttpRequest&) {
      ++handled_;
      HttpResponse response;
      response.body = "fine";
      return response;
    };
    server_->Handle(HttpMethod::kGet, "/metrics", answer);
    server_->Handle(HttpMethod::kPost, "/act", answer);
    server_->Handle(HttpMethod::kGet, "/large", [this](const HttpRequest&) {
      ++handled_;
      handled_.notify_all();
      HttpResponse response;
      response.body.assign(kLarge, 'x');
      return response;
    });
    const int fd = ListenOnLoopback(&port_);
    // Its connections have it too: what is large does not fit into the kernel.
    const int little = 65'536;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    ASSERT_TRUE(server_->Serve(fd).ok());
    ASSERT_TRUE(server_->Start().ok());
  }

  HttpClient Connect() { return HttpClient(port_); }

  // A new client is served, so the server lives and is not kept busy.
  void ExpectServing() {
    HttpClient client = Connect();
    EXPECT_EQ(BodyOf(client.Get("/metrics")), "fine");
  }

  // The same where the server's patience is shorter than this machine's may be.
  void ExpectServingAtLast() {
    for (int i = 0; i < 100; ++i) {
      HttpClient client = Connect();
      if (BodyOf(client.Get("/metrics")) == "fine") return;
    }
    FAIL() << "never served";
  }

  // Waits until the server has closed `client`.
  static void ExpectClosed(HttpClient* client) {
    pollfd p{client->fd(), POLLIN | POLLRDHUP, 0};
    EXPECT_EQ(poll(&p, 1, 60'000), 1);
    client->ReadAll();
  }

  std::atomic<int> handled_{0};
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
};

}  // namespace weir

#endif  // TESTS_METRICS_HTTP_OVERLOAD_RIG_H_
