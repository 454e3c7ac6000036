// LoadEngine: what it does when something has come.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "tests/bench/load_engine.h"

namespace weir {

void LoadEngine::Round(int milliseconds) {
  if (bulk_ == 0) return QuickRound(milliseconds);
  epoll_event events[64];
  const int count = epoll_wait(bulk_epoll_, events, 64, milliseconds);
  if (count < 0 && errno != EINTR) Die("epoll_wait");
  for (int i = 0; i < count; ++i) {
    const int fd = events[i].data.fd;
    if (fd == quick_epoll_) {
      QuickRound(0);
    } else {
      Bulk(fd, events[i].events);
      if (quick_ != 0) QuickRound(0);
    }
  }
}

void LoadEngine::QuickRound(int milliseconds) {
  epoll_event events[256];
  const int count = epoll_wait(quick_epoll_, events, 256, milliseconds);
  if (count < 0 && errno != EINTR) Die("epoll_wait");
  for (int i = 0; i < count; ++i) Quick(events[i].data.fd);
}

void LoadEngine::Quick(int fd) {
  if (fd == listener_) return Accept();
  switch (At(fd).role) {
    case Role::kNew:
      return FirstBytes(fd);
    case Role::kEcho:
      return Echo(fd);
    case Role::kAsker:
    case Role::kHeld:
      return Reply(fd);
    default:
      return;  // closed meanwhile
  }
}

void LoadEngine::Accept() {
  while (true) {
    const int fd =
        accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) Fail("accept");
      return;
    }
    SendAtOnce(fd);
    At(fd) = {.role = Role::kNew};
    ++upstreams_;
    ++quick_;
    Watch(quick_epoll_, fd, EPOLLIN);
  }
}

void LoadEngine::FirstBytes(int fd) {
  Connection& connection = At(fd);
  char first = kEcho;
  // Only a look: those of a stream are counted as all others are.
  const ssize_t n = recv(fd, &first, 1, MSG_PEEK);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) return Close(fd);  // no client of ours: somebody looked in
  ++arrived_;
  const auto is = [&](char base) {
    return first >= base && first < base + static_cast<char>(kMostCommands);
  };
  if (is(kSink) || is(kSource)) {
    const bool sink = is(kSink);
    connection.role = sink ? Role::kSink : Role::kSource;
    connection.group = static_cast<size_t>(first - (sink ? kSink : kSource));
    return MoveToBulk(fd, sink ? EPOLLIN : EPOLLIN | EPOLLOUT);
  }
  connection.role = Role::kEcho;
  Echo(fd);
}

void LoadEngine::Echo(int fd) {
  const ssize_t n = recv(fd, buffer_.data(), buffer_.size(), 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    if (n < 0) Fail("recv of the upstream");
    return Close(fd);
  }
  Send(fd, buffer_.data(), static_cast<size_t>(n));
}

void LoadEngine::Reply(int fd) {
  const ssize_t n = recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  Connection& connection = At(fd);
  if (n <= 0) {
    if (n == 0) errno = EPIPE;
    Fail("recv");
    return Close(fd);
  }
  Group& group = groups_[connection.group];
  connection.got += static_cast<size_t>(n);
  if (connection.got < group.command.bytes) return;
  connection.got = 0;
  ++group.moved.units;
  if (connection.role == Role::kHeld) return;
  const Clock::time_point now = Clock::now();
  group.latency.Add(now - connection.asked);
  if (group.command.mode == LoadMode::kPingPong) {
    if (over_ || group.moved.units >= group.command.count) return;
    connection.asked = now;
    Send(fd, buffer_.data(), group.command.bytes);
  } else {
    const size_t index = connection.group;
    Close(fd);
    if (!over_ && group.started < group.command.count) StartClient(index);
  }
}

void LoadEngine::Bulk(int fd, uint32_t events) {
  Connection& connection = At(fd);
  switch (connection.role) {
    case Role::kUploader:
      if (send(fd, buffer_.data(), chunk_, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
          errno != EAGAIN) {
        Fail("send");
      }
      return;
    case Role::kSink:
      Count(fd, &groups_[connection.group].moved.bytes);
      return;
    case Role::kDownloader:
      if (!Count(fd, &groups_[connection.group].moved.bytes)) {
        errno = EPIPE;
        Fail("recv");
      }
      return;
    case Role::kSource: {
      uint64_t asked = 0;  // not of interest
      if ((events & EPOLLIN) != 0 && !Count(fd, &asked)) return;
      if ((events & EPOLLOUT) != 0 && !releasing_ &&
          send(fd, buffer_.data(), chunk_, MSG_NOSIGNAL) < 0 &&
          errno != EAGAIN) {
        Fail("send of the upstream");
      }
      return;
    }
    default:
      return;  // closed meanwhile
  }
}

bool LoadEngine::Count(int fd, uint64_t* bytes) {
  // MSG_TRUNC throws the bytes away in the kernel: they are only counted.
  const ssize_t n =
      recv(fd, buffer_.data(), kMostBytes, MSG_TRUNC | MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return true;
  if (n <= 0) {
    if (n < 0) Fail("recv of a stream");
    Close(fd);
    return false;
  }
  *bytes += static_cast<uint64_t>(n);
  return true;
}

}  // namespace weir
