#include "tests/bench/file_writes/echo_traffic.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace weir {
namespace {

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "file_writes: %s: %s\n", what, std::strerror(errno));
  std::_Exit(1);  // other threads run
}

}  // namespace

EchoTraffic::EchoTraffic(std::vector<UniqueFd> clients)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) Die("epoll_create1");
  for (UniqueFd& fd : clients) {
    epoll_event event = {.events = EPOLLIN, .data = {.u64 = clients_.size()}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
      Die("epoll_ctl");
    }
    clients_.push_back({.fd = std::move(fd)});
  }
}

void EchoTraffic::Send(Client& client, Clock::time_point now) {
  static constexpr char kMessage[kMessageBytes] = {};
  client.asked = now;
  client.got = 0;
  if (send(client.fd.get(), kMessage, sizeof(kMessage), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(sizeof(kMessage))) {
    Die("send");
  }
  ++under_way_;
}

void EchoTraffic::Round(Result* result, bool finishing) {
  constexpr int kMost = 64;
  // Of a loop that is held up, the answers come later.
  constexpr int kMilliseconds = 10;
  epoll_event events[kMost];
  const int count = epoll_wait(epoll_.get(), events, kMost, kMilliseconds);
  if (count < 0 && errno != EINTR) Die("epoll_wait");
  for (int i = 0; i < count; ++i) {
    Client& client = clients_[events[i].data.u64];
    char bytes[kMessageBytes];
    const ssize_t n =
        recv(client.fd.get(), bytes, sizeof(bytes) - client.got, MSG_DONTWAIT);
    if (n <= 0) Die("recv");
    client.got += static_cast<size_t>(n);
    if (client.got < kMessageBytes) continue;
    --under_way_;
    const Clock::time_point now = Clock::now();
    ++result->round_trips;
    result->latency.Add(now - client.asked);
    if (!finishing) Send(client, now);
  }
}

EchoTraffic::Result EchoTraffic::Run(std::chrono::milliseconds time) {
  Result result;
  const Clock::time_point begin = Clock::now();
  if (under_way_ == 0) {
    for (Client& client : clients_) Send(client, begin);
  }
  // A time without anything has no cost to tell.
  while (Clock::now() < begin + time || result.round_trips == 0) {
    Round(&result, /*finishing=*/false);
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

void EchoTraffic::Finish() {
  Result ignored;
  while (under_way_ > 0) Round(&ignored, /*finishing=*/true);
}

}  // namespace weir
