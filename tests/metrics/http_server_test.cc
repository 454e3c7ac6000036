#include "metrics/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "metrics/http_message.h"
#include "tests/metrics/http_client.h"

namespace weir {
namespace {

HttpHandler Says(const std::string& body) {
  return [body](const HttpRequest&) {
    HttpResponse response;
    response.body = body;
    return response;
  };
}

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    server_.Handle(HttpMethod::kGet, "/hello", Says("world"));
    server_.Handle(HttpMethod::kGet, "/both", Says("got"));
    server_.Handle(HttpMethod::kPost, "/both", Says("posted"));
    server_.Handle(HttpMethod::kPost, "/act", [this](const HttpRequest& r) {
      ++acts_;
      last_body_ = r.body;
      return Says("done")(r);
    });
    server_.Handle(HttpMethod::kGet, "/echo", [](const HttpRequest& r) {
      HttpResponse response;
      response.status = 202;
      response.content_type = "text/x-test";
      response.body = r.path + "|" + r.query;
      return response;
    });
  }

  void Start() {
    ASSERT_TRUE(server_.Serve(ListenOnLoopback(&port_)).ok());
    ASSERT_TRUE(server_.Start().ok());
  }

  std::string Exchange(const std::string& request, bool head = false) {
    HttpClient client(port_);
    client.Send(request);
    return client.ReadAnswer(head);
  }

  // Atomic: written on the server's thread.
  std::atomic<int> acts_{0};
  std::string last_body_;  // read after the answer only
  HttpServer server_;
  uint16_t port_ = 0;
};

TEST_F(HttpServerTest, AnswersAGet) {
  Start();
  HttpClient client(port_);
  const std::string answer = client.Get("/hello");
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_EQ(BodyOf(answer), "world");
  EXPECT_EQ(HeaderOf(answer, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(HeaderOf(answer, "Content-Length"), "5");
  EXPECT_EQ(HeaderOf(answer, "Cache-Control"), "no-store");
}

TEST_F(HttpServerTest, PassesPathAndQueryAndReturnsStatusAndType) {
  Start();
  HttpClient client(port_);
  const std::string answer = client.Get("/ec%68o?a=1&b=%20");
  EXPECT_EQ(StatusOf(answer), 202);
  EXPECT_EQ(BodyOf(answer), "/echo|a=1&b=%20");
  EXPECT_EQ(HeaderOf(answer, "Content-Type"), "text/x-test");
}

TEST_F(HttpServerTest, AnswersAHeadWithoutABody) {
  Start();
  HttpClient client(port_);
  client.Send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string answer = client.ReadAnswer(/*head=*/true);
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_EQ(HeaderOf(answer, "Content-Length"), "5");
  // Had a body followed, the next answer would not begin with HTTP.
  EXPECT_EQ(BodyOf(client.Get("/both")), "got");
}

TEST_F(HttpServerTest, ServesSeveralRequestsOfOneConnection) {
  Start();
  HttpClient client(port_);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(BodyOf(client.Get("/hello")), "world");
  EXPECT_FALSE(client.Ended());
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  HttpClient client(port_);
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += "GET /echo?" + std::to_string(i) +
                " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  client.Send(requests);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(BodyOf(client.ReadAnswer()), "/echo|" + std::to_string(i));
  }
}

TEST_F(HttpServerTest, ClosesAfterAnOldClientsRequest) {
  Start();
  HttpClient client(port_);
  client.Send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ(BodyOf(client.ReadAll()), "world");
}

TEST_F(HttpServerTest, ListsTheRoutesForAnUnknownPath) {
  Start();
  HttpClient client(port_);
  for (const std::string path : {"/", "/hello/", "/nope?x", "/%00"}) {
    const std::string answer = client.Get(path);
    EXPECT_EQ(StatusOf(answer), 404) << path;
    EXPECT_EQ(BodyOf(answer),
              "No such path. There are:\n  GET /hello\n  GET /both\n"
              "  POST /both\n  POST /act\n  GET /echo\n");
  }
}

TEST_F(HttpServerTest, ARouteMayHaveAVariableSegment) {
  const auto segment = [](const char* route) {
    return [route](const HttpRequest& r) {
      HttpResponse response;
      response.body = std::string(route) + "|" + r.segment;
      return response;
    };
  };
  server_.Handle(HttpMethod::kGet, "/things/{id}/size", segment("size"));
  server_.Handle(HttpMethod::kGet, "/things/{id}", segment("thing"));
  server_.Handle(HttpMethod::kGet, "/things/all", segment("all"));
  Start();
  HttpClient client(port_);
  EXPECT_EQ(BodyOf(client.Get("/things/17/size")), "size|17");
  EXPECT_EQ(BodyOf(client.Get("/things/17?x")), "thing|17");
  EXPECT_EQ(BodyOf(client.Get("/things/a%20b/size")), "size|a b");
  EXPECT_EQ(BodyOf(client.Get("/things/all")), "all|");
  EXPECT_EQ(BodyOf(client.Get("/things/all/size")), "size|all");
  for (const std::string path :
       {"/things", "/things/", "/things//size", "/things/1/2/size",
        "/things/1%2F2/size", "/things/1/size/", "/things/1/siz"}) {
    EXPECT_EQ(StatusOf(client.Get(path)), 404) << path;
  }
  EXPECT_EQ(HeaderOf(Exchange("POST /things/1 HTTP/1.1\r\nHost: localhost\r\n"
                              "Content-Length: 0\r\n\r\n"),
                     "Allow"),
            "GET, HEAD");
}

TEST_F(HttpServerTest, SendsTheHeadersOfAResponse) {
  server_.Handle(HttpMethod::kGet, "/more", [](const HttpRequest&) {
    HttpResponse response;
    response.headers = {{"X-One", "1"}, {"X-Two", "a, b"}};
    return response;
  });
  Start();
  HttpClient client(port_);
  const std::string answer = client.Get("/more");
  EXPECT_EQ(HeaderOf(answer, "X-One"), "1");
  EXPECT_EQ(HeaderOf(answer, "X-Two"), "a, b");
}

TEST_F(HttpServerTest, RefusesAWrongMethod) {
  Start();
  const auto allow = [this](const std::string& start) {
    const std::string answer = Exchange(start +
                                        " HTTP/1.1\r\nHost: localhost\r\n"
                                        "Content-Length: 0\r\n\r\n");
    EXPECT_EQ(StatusOf(answer), 405) << start;
    return HeaderOf(answer, "Allow");
  };
  EXPECT_EQ(allow("POST /hello"), "GET, HEAD");
  EXPECT_EQ(allow("GET /act"), "POST");
  EXPECT_EQ(allow("PUT /both"), "GET, HEAD, POST");
  EXPECT_EQ(allow("DELETE /hello"), "GET, HEAD");
  EXPECT_EQ(allow("OPTIONS /hello"), "GET, HEAD");
  EXPECT_EQ(acts_, 0);
}

TEST_F(HttpServerTest, TakesAPostFromThisMachine) {
  Start();
  const std::string port = std::to_string(port_);
  int expected = 0;
  for (const std::string& headers :
       {std::string("Host: localhost\r\n"), "Host: 127.0.0.1:" + port + "\r\n",
        "Host: LocalHost:" + port + "\r\nOrigin: http://localhost:" + port +
            "\r\n"}) {
    const std::string answer = Exchange("POST /act HTTP/1.1\r\n" + headers +
                                        "Content-Length: 4\r\n\r\nbody");
    EXPECT_EQ(StatusOf(answer), 200) << headers;
    EXPECT_EQ(last_body_, "body");
    EXPECT_EQ(acts_, ++expected);
  }
}

TEST_F(HttpServerTest, RefusesAPostThatAWebPageCouldMake) {
  Start();
  for (const std::string headers :
       {"POST /act HTTP/1.1\r\nHost: evil.example\r\n",
        "POST /act HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n",
        "POST /act HTTP/1.1\r\nHost: 8.8.8.8\r\n", "POST /act HTTP/1.0\r\n",
        "POST /act HTTP/1.1\r\nHost:\r\n",
        "POST /act HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
        "POST http://evil.example/act HTTP/1.1\r\nHost: localhost\r\n",
        // Host and Origin must not be held against what the page wrote.
        "POST //localhost/act HTTP/1.1\r\nHost: evil.example\r\n",
        "POST //localhost/act HTTP/1.1\r\nHost: localhost:1\r\n"
        "Origin: http://localhost\r\n",
        "POST http://localhost/act HTTP/1.1\r\nHost: localhost:1\r\n"
        "Origin: http://localhost\r\n",
        "POST /act HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\n",
        "POST /act HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n",
        "POST /act HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
        "Origin: http://evil\r\n"}) {
    const std::string answer = Exchange(headers + "Content-Length: 0\r\n\r\n");
    EXPECT_EQ(StatusOf(answer), 403) << headers;
  }
  EXPECT_EQ(acts_, 0);
}

TEST_F(HttpServerTest, ServesSeveralSockets) {
  uint16_t first, second;
  ASSERT_TRUE(server_.Serve(ListenOnLoopback(&first)).ok());
  ASSERT_TRUE(server_.Serve(ListenOnLoopback(&second)).ok());
  ASSERT_TRUE(server_.Start().ok());
  for (const uint16_t port : {first, second}) {
    HttpClient client(port);
    EXPECT_EQ(BodyOf(client.Get("/hello")), "world");
  }
}

TEST_F(HttpServerTest, TakesASocketOfAnyFamily) {
  // An abstract name that the kernel picks.
  const int listening =
      socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  ASSERT_EQ(
      bind(listening, reinterpret_cast<sockaddr*>(&name), sizeof(sa_family_t)),
      0);
  socklen_t size = sizeof name;
  ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&name), &size),
            0);
  ASSERT_EQ(listen(listening, 1), 0);
  ASSERT_TRUE(server_.Serve(listening).ok());
  ASSERT_TRUE(server_.Start().ok());

  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HttpClient client = HttpClient::Of(fd);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&name), size), 0);
  EXPECT_EQ(BodyOf(client.Get("/hello")), "world");
  client.Send(
      "POST /act HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 200);
}

TEST_F(HttpServerTest, BlocksSignalsOnItsNamedThread) {
  sigset_t mask;
  sigemptyset(&mask);
  char name[16] = {};
  server_.Handle(HttpMethod::kGet, "/thread", [&](const HttpRequest& r) {
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    pthread_getname_np(pthread_self(), name, sizeof name);
    return Says("")(r);
  });
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Start();
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  HttpClient client(port_);
  ASSERT_EQ(StatusOf(client.Get("/thread")), 200);
  server_.Stop();
  for (const int signal :
       {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGCHLD}) {
    EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
    EXPECT_EQ(sigismember(&after, signal), sigismember(&before, signal));
  }
  EXPECT_STREQ(name, "admin");
}

TEST_F(HttpServerTest, MayNeverStartAndMayStopTwice) {
  {
    HttpServer never;
    ASSERT_TRUE(never.Serve(ListenOnLoopback(&port_)).ok());
  }
  Start();
  HttpClient idle(port_);
  EXPECT_EQ(BodyOf(idle.Get("/hello")), "world");
  server_.Stop();
  server_.Stop();
  EXPECT_EQ(idle.ReadAll(), "");
  HttpClient late(port_);
  EXPECT_FALSE(late.connected());
}

// A drain ends the process as soon as nothing is left to do, but he who asked
// for it still wants his answer.
TEST_F(HttpServerTest, StopLetsAnAnswerOnItsWayArrive) {
  const std::string large(50'000, 'x');  // fits into the kernel
  std::atomic<bool> asked{false};
  server_.Handle(HttpMethod::kGet, "/large", [&](const HttpRequest& r) {
    asked.store(true);
    asked.notify_all();
    return Says(large)(r);
  });
  Start();
  HttpClient client(port_);
  client.Send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  asked.wait(false);
  std::string answer;
  std::thread reader([&] { answer = client.ReadAnswer(); });
  server_.Stop();
  reader.join();
  EXPECT_EQ(BodyOf(answer), large);
}

TEST_F(HttpServerTest, StopDoesNotWaitForAClientThatNeverReads) {
  const std::string large(64'000'000, 'x');
  std::atomic<bool> asked{false};
  server_.Handle(HttpMethod::kGet, "/large", [&](const HttpRequest& r) {
    asked.store(true);
    asked.notify_all();
    return Says(large)(r);
  });
  Start();
  HttpClient client(port_);
  client.Send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  asked.wait(false);
  server_.Stop();
  EXPECT_EQ(client.ReadAnswer(), "");
}

}  // namespace
}  // namespace weir
