// What clients of the admin port may do wrong: too much, and what is no HTTP.

#include <sys/socket.h>

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "metrics/http_server.h"
#include "tests/metrics/http_client.h"
#include "tests/metrics/http_overload_rig.h"

namespace weir {
namespace {

TEST_F(HttpOverloadTest, WhatIsTooLargeIsRefused) {
  HttpServer::Options options;
  options.max_header_bytes = 4096;
  options.max_body_bytes = 1000;
  Start(options);
  const std::string start = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
  const std::string post = "POST /act HTTP/1.1\r\nHost: localhost\r\n";
  for (const std::string& request :
       {start + "X: " + std::string(8000, 'x') + "\r\n\r\n",
        "GET /" + std::string(8000, 'x') + " HTTP/1.1\r\n\r\n",
        std::string(8000, 'x'),  // a line without an end
        post + "Content-Length: 1001\r\n\r\n" + std::string(1001, 'x'),
        post + "Content-Length: 99999999999999999999\r\n\r\n",
        post + "Content-Length: -1\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" +
            std::string(2000, 'x') + "\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"}) {
    HttpClient client = Connect();
    client.Send(request);
    client.ShutdownWrite();
    // An error or just an end, but no answer of a handler.
    const int status = StatusOf(client.ReadAll());
    EXPECT_TRUE(status == 0 || status >= 400) << request.substr(0, 80);
  }
  EXPECT_EQ(handled_, 0);
  // What is at the limit passes.
  HttpClient client = Connect();
  client.Send(post + "Content-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 200);
}

TEST_F(HttpOverloadTest, GarbageHarmsNothing) {
  Start({});
  // Pieces that bring a parser into odd states, and plain noise between them.
  const std::vector<std::string> pieces = {
      "GET ",
      "POST ",
      "HEAD ",
      "/metrics",
      "/act",
      "*",
      "http://",
      "[::1",
      " HTTP/1.1",
      " HTTP/9.9",
      " HTTP/1.",
      "\r\n",
      "\n",
      "\r",
      "\r\n\r\n",
      "Host: localhost",
      "Host:",
      ": ",
      "Content-Length: 3",
      "Content-Length: ",
      "Transfer-Encoding: chunked",
      "Expect: 100-continue",
      "Connection: close",
      "Connection: Upgrade",
      "ffffffffffffffff",
      "0",
      "%",
      "%zz",
      "?",
      "#",
      std::string(1, '\0'),
      std::string(3000, 'a'),
      "\t",
      " ",
      "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "POST /act HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"};
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    HttpClient client = Connect();
    ASSERT_TRUE(client.connected());
    std::string request;
    for (unsigned i = random() % 40; i > 0; --i) {
      if (random() % 4 == 0) {
        for (unsigned n = random() % 30; n > 0; --n) {
          request.push_back(static_cast<char>(random()));
        }
      } else {
        request += pieces[random() % pieces.size()];
      }
    }
    // In one piece or two, and with one of three ways to leave.
    const size_t cut = request.empty() ? 0 : random() % request.size();
    client.Send(std::string_view(request).substr(0, cut));
    client.Send(std::string_view(request).substr(cut));
    switch (random() % 3) {
      case 0:
        client.ShutdownWrite();
        client.ReadAll();
        break;
      case 1: {
        const linger reset = {1, 0};
        setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        break;
      }
      default:
        break;
    }
    if (seed % 20 == 0) ExpectServing();
  }
  ExpectServing();
}

TEST_F(HttpOverloadTest, PipelinedJunkBehindARequestHarmsNothing) {
  Start({});
  for (int i = 0; i < 5; ++i) {
    HttpClient client = Connect();
    client.Send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n" +
                std::string(100'000, static_cast<char>('!' + i)));
    handled_.wait(i);  // it is being answered while the junk lies there
  }
  ExpectServing();
}

}  // namespace
}  // namespace weir
