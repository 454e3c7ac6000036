// Against the real HTTP server, and against what no server should say.

#include "proxy/client/admin_client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/http_message.h"
#include "metrics/http_server.h"
#include "reactor/address.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"

namespace weir {
namespace {

using testing::HasSubstr;

ListeningSocket ListenOn(const Address& address) {
  absl::StatusOr<ListeningSocket> socket = Listen(Kernel::Real(), address);
  EXPECT_TRUE(socket.ok()) << socket.status();
  return *std::move(socket);
}

class AdminClientTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.Handle(HttpMethod::kGet, "/status", [](const HttpRequest&) {
      return HttpResponse{200, "application/json", R"({"pid":1})"};
    });
    server_.Handle(HttpMethod::kGet, "/large", [](const HttpRequest&) {
      return HttpResponse{200, "text/plain", std::string(3 << 20, 'x')};
    });
    server_.Handle(HttpMethod::kGet, "/ready", [](const HttpRequest&) {
      return HttpResponse{503, "text/plain", "draining\nx\x1b\n"};
    });
    server_.Handle(HttpMethod::kPost, "/drain", [](const HttpRequest&) {
      return HttpResponse{202, "text/plain", "draining\n"};
    });
  }

  // Where it listens.
  Address Start(const Address& address) {
    ListeningSocket socket = ListenOn(address);
    EXPECT_TRUE(server_.Serve(socket.fd.Release()).ok());
    EXPECT_TRUE(server_.Start().ok());
    file_ = std::move(socket.file);
    return socket.address;
  }

  decltype(ListeningSocket::file) file_;
  HttpServer server_;
};

TEST_F(AdminClientTest, AsksOverTcp) {
  const AdminClient client(Start(Address::Loopback(AF_INET, 0)));
  const absl::StatusOr<std::string> status = client.Get("/status");
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, R"({"pid":1})");
  const absl::StatusOr<std::string> large = client.Get("/large");
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_EQ(large->size(), size_t{3} << 20);
  const absl::StatusOr<AdminReply> drain = client.Request("POST", "/drain");
  ASSERT_TRUE(drain.ok()) << drain.status();
  EXPECT_EQ(drain->status, 202);
  EXPECT_EQ(drain->body, "draining\n");
}

TEST_F(AdminClientTest, EveryInterfaceMeansThisMachine) {
  const Address bound = Start(Address::Any(AF_INET, 0));
  const AdminClient client(bound);
  EXPECT_EQ(client.address().HostText(), "127.0.0.1");
  EXPECT_TRUE(client.Request("POST", "/drain").ok());
}

TEST_F(AdminClientTest, AsksOverAUnixSocket) {
  const std::string name = "weir-client-test-" + std::to_string(getpid());
  const AdminClient client(Start(*Address::UnixAbstract(name)));
  EXPECT_TRUE(client.Get("/status").ok()) << client.Get("/status").status();
}

TEST_F(AdminClientTest, ARefusalIsALine) {
  const AdminClient client(Start(Address::Loopback(AF_INET, 0)));
  const absl::Status status = client.Get("/ready").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(status.message(),
            client.address().ToString() + ": GET /ready: 503 draining");
}

TEST_F(AdminClientTest, BoundsWhatItReads) {
  AdminClient::Options options;
  options.max_bytes = 1 << 20;
  const AdminClient client(Start(Address::Loopback(AF_INET, 0)), options);
  EXPECT_TRUE(absl::IsUnavailable(client.Get("/large").status()));
}

TEST(AdminClient, SaysWhoRefused) {
  Address address;
  {
    const ListeningSocket socket = ListenOn(Address::Loopback(AF_INET, 0));
    address = socket.address;
  }
  const absl::Status status = AdminClient(address).Get("/").status();
  EXPECT_EQ(ErrnoOf(status), ECONNREFUSED);
  EXPECT_EQ(status.message(), address.ToString() + ": Connection refused");
  const absl::StatusOr<Address> path = Address::UnixPath("/nonexistent/weir");
  EXPECT_EQ(ErrnoOf(AdminClient(*path).Get("/").status()), ENOENT);
}

TEST(AdminClient, WaitsNoLongerThanItsTime) {
  const ListeningSocket socket = ListenOn(Address::Loopback(AF_INET, 0));
  AdminClient::Options options;
  options.timeout = std::chrono::milliseconds(50);
  const absl::Status status =
      AdminClient(socket.address, options).Get("/").status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("no answer within"));
}

TEST(AdminClient, CanBeCancelled) {
  const ListeningSocket socket = ListenOn(Address::Loopback(AF_INET, 0));
  const UniqueFd cancel(eventfd(1, EFD_CLOEXEC));
  AdminClient::Options options;
  options.timeout = std::chrono::hours(1);
  options.cancel_fd = cancel.get();
  EXPECT_TRUE(absl::IsCancelled(
      AdminClient(socket.address, options).Get("/").status()));
}

// What comes back from something that answers a request with `answer`.
absl::StatusOr<AdminReply> ReplyTo(const std::string& answer) {
  const ListeningSocket socket = ListenOn(Address::Loopback(AF_INET, 0));
  std::thread peer([&] {
    pollfd ready = {socket.fd.get(), POLLIN, 0};
    poll(&ready, 1, -1);
    const int fd = accept(socket.fd.get(), nullptr, nullptr);
    char request[1000];
    EXPECT_GT(recv(fd, request, sizeof(request), 0), 0);
    send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    close(fd);
  });
  absl::StatusOr<AdminReply> reply =
      AdminClient(socket.address).Request("GET", "/");
  peer.join();
  return reply;
}

TEST(AdminClient, BelievesNoHalfAnswer) {
  const absl::StatusOr<AdminReply> whole =
      ReplyTo("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->body, "ok");
  EXPECT_TRUE(ReplyTo("HTTP/1.1 204 No Content\r\n\r\n").ok());
  for (const char* answer :
       {"", "HTTP/1.0 200 OK\r\n", "SSH-2.0-OpenSSH_9\r\n\r\n", "HTTP/1.",
        "HTTP/1.0 abc\r\n\r\n", "HTTP/1.\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok"}) {
    EXPECT_TRUE(absl::IsUnavailable(ReplyTo(answer).status())) << answer;
  }
}

}  // namespace
}  // namespace weir
