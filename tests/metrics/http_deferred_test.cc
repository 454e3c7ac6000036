// Answers that a handler gives later: from other threads, too late, never, or
// to somebody who has left.

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "metrics/http_message.h"
#include "metrics/http_reply.h"
#include "metrics/http_server.h"
#include "tests/metrics/http_client.h"

namespace weir {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLong{60'000};

HttpResponse Text(std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  return response;
}

class HttpDeferredTest : public testing::Test {
 protected:
  // "/later" hands its reply over to the test, which gets it from NextReply().
  void Start(HttpServer::Options options = {}) {
    server_ = std::make_unique<HttpServer>(options);
    server_->Handle(HttpMethod::kGet, "/now",
                    [](const HttpRequest&) { return Text("now"); });
    const auto later = [this](const HttpRequest&, HttpReply reply) {
      const std::lock_guard<std::mutex> lock(mutex_);
      replies_.push_back(std::move(reply));
      changed_.notify_all();
      return HttpDeferral{limit_, [this] {
                            ++late_;
                            return Text("late");
                          }};
    };
    server_->HandleLater(HttpMethod::kGet, "/later", later);
    server_->HandleLater(HttpMethod::kPost, "/later", later);
    server_->HandleLater(HttpMethod::kGet, "/at_once",
                         [this](const HttpRequest& request, HttpReply reply) {
                           reply.Send(Text("at once " + request.query));
                           return HttpDeferral{limit_, nullptr};
                         });
    ASSERT_TRUE(server_->Serve(ListenOnLoopback(&port_)).ok());
    ASSERT_TRUE(server_->Start().ok());
  }

  HttpReply NextReply() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!changed_.wait_for(lock, kLong, [this] { return !replies_.empty(); })) {
      ADD_FAILURE() << "no request came";
      return HttpReply([](const HttpReply::Maker&) {});
    }
    HttpReply reply = std::move(replies_.front());
    replies_.pop_front();
    return reply;
  }

  HttpClient Asking(const std::string& path = "/later") {
    HttpClient client(port_);
    client.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return client;
  }

  // The server's thread has done what it was given so far.
  void ExpectServing() {
    EXPECT_EQ(BodyOf(HttpClient(port_).Get("/now")), "now");
  }

  milliseconds limit_ = kLong;  // before Start()
  int late_ = 0;  // the server's thread's; read when its answer has come
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<HttpReply> replies_;
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
};

TEST_F(HttpDeferredTest, AnswersFromAnotherThreadHoldNobodyUp) {
  Start();
  HttpClient first = Asking();
  HttpClient second = Asking();
  const HttpReply one = NextReply();
  const HttpReply two = NextReply();
  ExpectServing();
  std::thread([&] { one.Send(Text("one")); }).join();
  two.Send([] { return Text("two"); });
  // Who was accepted first is not known.
  EXPECT_EQ(BodyOf(first.ReadAnswer()).size(), 3u);
  EXPECT_EQ(BodyOf(second.ReadAnswer()).size(), 3u);
  // The connection goes on.
  EXPECT_EQ(BodyOf(first.Get("/now")), "now");
}

TEST_F(HttpDeferredTest, AHandlerMayAnswerAtOnce) {
  Start();
  HttpClient client(port_);
  for (int i = 0; i < 50; ++i) {
    const std::string n = std::to_string(i);
    EXPECT_EQ(BodyOf(client.Get("/at_once?" + n)), "at once " + n);
  }
}

TEST_F(HttpDeferredTest, TheFirstAnswerCounts) {
  Start();
  HttpClient client = Asking();
  const HttpReply reply = NextReply();
  const HttpReply copy = reply;
  reply.Send(Text("first"));
  copy.Send(Text("second"));
  reply.Send([]() -> HttpResponse {
    ADD_FAILURE() << "made in vain";
    return {};
  });
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "first");
  EXPECT_EQ(BodyOf(client.Get("/now")), "now");
}

TEST_F(HttpDeferredTest, TheServerAnswersWhenTheTimeIsOver) {
  limit_ = milliseconds(20);
  Start();
  HttpClient client = Asking();
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "late");
  EXPECT_EQ(late_, 1);
  NextReply().Send(Text("too late"));
  EXPECT_EQ(BodyOf(client.Get("/now")), "now");
}

TEST_F(HttpDeferredTest, AHeadGetsNoBody) {
  Start();
  HttpClient client(port_);
  client.Send("HEAD /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  NextReply().Send(Text("four"));
  EXPECT_EQ(HeaderOf(client.ReadAnswer(/*head=*/true), "Content-Length"), "4");
  EXPECT_EQ(BodyOf(client.Get("/now")), "now");
}

TEST_F(HttpDeferredTest, APostIsGuardedBeforeItsHandlerRuns) {
  Start();
  HttpClient client(port_);
  client.Send(
      "POST /later HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\n"
      "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 403);
  client.Send(
      "POST /later HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab");
  NextReply().Send(Text("done"));
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "done");
}

// evhttp would end the process if it read them while it waits.
TEST_F(HttpDeferredTest, BytesThatComeMeanwhileWait) {
  Start();
  HttpClient client(port_);
  client.Send(
      "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const HttpReply reply = NextReply();
  client.Send("GET /at_once?x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ExpectServing();
  reply.Send(Text("later"));
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "later");
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "now");
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "at once x");
}

TEST_F(HttpDeferredTest, WhoLeavesWhileWaitingHarmsNothing) {
  Start();
  for (const bool reset : {false, true}) {
    for (const bool junk : {false, true}) {
      std::vector<HttpReply> replies;
      for (int i = 0; i < 10; ++i) {
        HttpClient client = Asking();
        replies.push_back(NextReply());
        if (junk) client.Send(std::string(1000, 'x'));
        const linger now = {1, 0};
        if (reset) {
          setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
      }
      ExpectServing();
      for (const HttpReply& reply : replies) reply.Send(Text("nobody"));
      ExpectServing();
    }
  }
  // Some leave without an answer ever.
  for (int i = 0; i < 10; ++i) {
    Asking();
    NextReply();
  }
  ExpectServing();
}

// All places are taken by clients that wait: the one that has waited for
// longest makes room at once.
TEST_F(HttpDeferredTest, WaitingClientsDoNotKeepAScrapeOut) {
  HttpServer::Options options;
  options.max_connections = 4;
  Start(options);
  std::deque<HttpClient> waiting;
  std::deque<HttpReply> replies;
  for (int i = 0; i < 12; ++i) {
    waiting.push_back(Asking());
    replies.push_back(NextReply());
    ExpectServing();
  }
  EXPECT_EQ(waiting.front().ReadAll(), "");
  for (const HttpReply& reply : replies) reply.Send(Text("at last"));
  EXPECT_EQ(BodyOf(waiting.back().ReadAnswer()), "at last");
}

TEST_F(HttpDeferredTest, WaitingIsNotIdle) {
  HttpServer::Options options;
  options.max_connections = 2;
  Start(options);
  HttpClient waiting = Asking();
  const HttpReply reply = NextReply();
  HttpClient idle(port_);
  ASSERT_EQ(BodyOf(idle.Get("/now")), "now");
  ExpectServing();
  EXPECT_EQ(idle.ReadAll(), "");
  reply.Send(Text("here"));
  EXPECT_EQ(BodyOf(waiting.ReadAnswer()), "here");
}

TEST_F(HttpDeferredTest, AWaitLongerThanTheRequestTimeoutEnds) {
  HttpServer::Options options;
  options.request_timeout = milliseconds(50);
  Start(options);
  // On a busy machine its time may be over before the request has come.
  const auto came = [this] {
    const std::lock_guard<std::mutex> lock(mutex_);
    return !replies_.empty();
  };
  for (int i = 0; i < 100 && !came(); ++i) {
    EXPECT_EQ(Asking().ReadAll(), "");
  }
  NextReply().Send(Text("nobody"));
  for (int i = 0; i < 100; ++i) {
    if (BodyOf(HttpClient(port_).Get("/now")) == "now") return;
  }
  FAIL() << "never served";
}

TEST_F(HttpDeferredTest, StopWaitsAMomentForAnAnswer) {
  Start();
  HttpClient client = Asking();
  const HttpReply reply = NextReply();
  // Delivered before the request to stop, and made after it.
  reply.Send(Text("before"));
  server_->Stop();
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "before");
}

TEST_F(HttpDeferredTest, AnswersAfterTheEndAreDropped) {
  Start();
  HttpClient client = Asking();
  HttpClient gone = Asking();
  const HttpReply one = NextReply();
  const HttpReply two = NextReply();
  const HttpServer::Poster post = server_->poster();
  server_->Stop();
  one.Send(Text("stopped"));
  post([] { ADD_FAILURE() << "run after the end"; });
  server_.reset();
  two.Send(Text("gone"));
  two.Send([]() -> HttpResponse {
    ADD_FAILURE() << "made in vain";
    return {};
  });
  post([] { ADD_FAILURE() << "run after the end"; });
  EXPECT_EQ(client.ReadAll(), "");
  EXPECT_EQ(late_, 0);
}

TEST_F(HttpDeferredTest, ManyThreadsAnswerAndManyClientsLeave) {
  limit_ = milliseconds(1);
  Start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 60; ++i) {
        HttpClient client = Asking();
        NextReply().Send(Text("x"));
        if (i % 3 == 0) continue;  // leaves
        const std::string body = BodyOf(client.ReadAnswer());
        EXPECT_TRUE(body == "x" || body == "late") << body;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectServing();
}

// Answers that are made for many do not hold up who asks meanwhile.
TEST_F(HttpDeferredTest, ARequestIsServedBetweenManyTasks) {
  int ran = 0;  // the server's thread's
  HttpServer server;
  server.Handle(HttpMethod::kGet, "/ran", [&ran](const HttpRequest&) {
    return Text(std::to_string(ran));
  });
  uint16_t port = 0;
  ASSERT_TRUE(server.Serve(ListenOnLoopback(&port)).ok());
  ASSERT_TRUE(server.Start().ok());
  HttpClient client(port);
  ASSERT_EQ(BodyOf(client.Get("/ran")), "0");
  const HttpServer::Poster post = server.poster();
  std::latch entered(1), leave(1), all(100);
  post([&] {
    entered.count_down();
    leave.wait();
  });
  entered.wait();
  for (int i = 0; i < 100; ++i) {
    post([&] {
      ++ran;
      all.count_down();
    });
  }
  client.Send("GET /ran HTTP/1.1\r\nHost: localhost\r\n\r\n");
  leave.count_down();
  EXPECT_LE(std::stoi(BodyOf(client.ReadAnswer())), 50);
  all.wait();
}

TEST_F(HttpDeferredTest, TasksRunOnTheServersThreadInTheirOrder) {
  Start();
  const HttpServer::Poster post = server_->poster();
  std::vector<int> ran;
  for (int i = 0; i < 100; ++i) post([&ran, i] { ran.push_back(i); });
  std::mutex mutex;
  std::condition_variable done;
  bool all = false;
  post([&] {
    const std::lock_guard<std::mutex> lock(mutex);
    all = true;
    done.notify_all();
  });
  std::unique_lock<std::mutex> lock(mutex);
  done.wait(lock, [&all] { return all; });
  ASSERT_EQ(ran.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ran[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace weir
