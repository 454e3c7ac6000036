#include "tests/bench/load_engine.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace weir {
namespace {

// Of a stream when others run beside it: a step takes less time.
constexpr size_t kMixedChunk = size_t{1} << 16;
// What each other stream has moved on average before the first command starts.
constexpr uint64_t kWarmBytes = uint64_t{1} << 20;
constexpr int kFirstPort = 20'000;
constexpr int kPorts = 10'000;
// A proxy that says nothing for this long is broken.
constexpr std::chrono::seconds kPatience{60};

// As if at random (the finalizer of MurmurHash3), and in each run the same.
uint64_t Scatter(uint64_t n) {
  n = (n ^ (n >> 33)) * 0xff51afd7ed558ccd;
  n = (n ^ (n >> 33)) * 0xc4ceb9fe1a85ec53;
  return n ^ (n >> 33);
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

}  // namespace

void LoadEngine::Die(const char* what) {
  std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void LoadEngine::SendAtOnce(int fd) {
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

LoadEngine::LoadEngine()
    : bulk_epoll_(epoll_create1(EPOLL_CLOEXEC)),
      quick_epoll_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kMostBytes, kEcho) {
  if (bulk_epoll_ < 0 || quick_epoll_ < 0) Die("epoll_create1");
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener_ < 0) Die("socket");
  // As servers do, below the ports that the kernel gives to outgoing
  // connections (among which weir looks for a connection to itself).
  port_ = kFirstPort + getpid() % kPorts;
  sockaddr_in address = Loopback(port_);
  while (bind(listener_, reinterpret_cast<sockaddr*>(&address),
              sizeof(address)) != 0) {
    if (errno != EADDRINUSE) Die("bind");
    port_ = port_ + 1 < kFirstPort + kPorts ? port_ + 1 : kFirstPort;
    address = Loopback(port_);
  }
  if (listen(listener_, 4096) != 0) Die("listen");
  Watch(quick_epoll_, listener_, EPOLLIN);
  Watch(bulk_epoll_, quick_epoll_, EPOLLIN);
}

std::string LoadEngine::Run(const std::vector<LoadCommand>& commands) {
  groups_.clear();
  for (const LoadCommand& command : commands) {
    groups_.push_back(Group{.command = command});
  }
  chunk_ = commands.size() > 1 ? kMixedChunk : kMostBytes;
  over_ = false;
  error_.clear();
  for (size_t i = 1; i < groups_.size(); ++i) Start(i);
  if (groups_.size() > 1) {
    Await(Clock::time_point::max(), &LoadEngine::OthersRun);
  }
  for (Group& group : groups_) {
    group.before = group.moved;
    group.latency.Clear();
  }

  const Clock::time_point begin = Clock::now();
  Start(0);
  Await(begin + commands.front().time, &LoadEngine::FirstIsDone);
  // A time without anything has no cost to tell.
  Await(Clock::time_point::max(), &LoadEngine::EachMoved);
  const double seconds =
      std::chrono::duration<double>(Clock::now() - begin).count();
  over_ = true;
  for (Group& group : groups_) group.in_time = group.moved;
  // None may come late and be taken for one of the next run.
  Await(Clock::time_point::max(), &LoadEngine::AllArrived);
  std::string answer = "{" + Answer(groups_.front(), seconds);
  for (size_t i = 1; i < groups_.size(); ++i) {
    answer += (i == 1 ? ", \"beside\": [{" : ", {") +
              Answer(groups_[i], seconds) + "}";
  }
  CloseClients(/*held=*/false);
  if (!error_.empty()) return "{\"error\": \"" + error_ + "\"}";
  return answer + (groups_.size() > 1 ? "]}" : "}");
}

// The members of a JSON object.
std::string LoadEngine::Answer(Group& group, double seconds) {
  const uint64_t bytes = group.in_time.bytes - group.before.bytes;
  const uint64_t units = group.in_time.units - group.before.units;
  const bool stream = IsStream(group.command.mode);
  std::ostringstream answer;
  answer << "\"units\": " << (stream ? bytes : units)
         << ", \"seconds\": " << seconds << ", \"bytes\": " << bytes
         << ", \"all\": " << (stream ? group.moved.bytes : group.moved.units)
         << group.latency.Json();
  return answer.str();
}

std::string LoadEngine::Release() {
  error_.clear();
  CloseClients(/*held=*/true);
  return error_.empty() ? "{}" : "{\"error\": \"" + error_ + "\"}";
}

bool LoadEngine::IsStream(LoadMode mode) {
  return mode == LoadMode::kUp || mode == LoadMode::kDown;
}

bool LoadEngine::IsBulk(Role role) {
  return role == Role::kSink || role == Role::kSource ||
         role == Role::kUploader || role == Role::kDownloader;
}

bool LoadEngine::IsUpstream(Role role) {
  return role == Role::kNew || role == Role::kEcho || role == Role::kSink ||
         role == Role::kSource;
}

bool LoadEngine::Done(const Group& group) {
  const LoadCommand& command = group.command;
  if (command.mode == LoadMode::kIdle) {
    return group.moved.units >= command.connections;
  }
  return (IsStream(command.mode) ? group.moved.bytes : group.moved.units) >=
         command.count;
}

bool LoadEngine::FirstIsDone() const { return Done(groups_.front()); }

bool LoadEngine::EachMoved() const {
  for (const Group& group : groups_) {
    if (group.moved.units + group.moved.bytes ==
        group.before.units + group.before.bytes) {
      return false;
    }
  }
  return true;
}

bool LoadEngine::OthersRun() const {
  for (size_t i = 1; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    if (IsStream(group.command.mode)
            ? group.moved.bytes < kWarmBytes * group.command.connections
            : group.moved.units < group.command.connections) {
      return false;
    }
  }
  return true;
}

bool LoadEngine::AllArrived() const { return arrived_ >= started_; }

bool LoadEngine::OnlyHeldAreLeft() const { return upstreams_ <= held_; }

uint64_t LoadEngine::Moved() const {
  uint64_t moved = upstreams_ + arrived_;
  for (const Group& group : groups_)
    moved += group.moved.units + group.moved.bytes;
  return moved;
}

// Until it is done, or the time is over, or nothing moves any more.
void LoadEngine::Await(Clock::time_point end,
                       bool (LoadEngine::*done)() const) {
  uint64_t moved = Moved();
  Clock::time_point last = Clock::now();
  while (error_.empty() && !(this->*done)()) {
    Round(10);
    const Clock::time_point now = Clock::now();
    if (now >= end) return;
    if (Moved() != moved) last = now;
    moved = Moved();
    if (now - last > kPatience) error_ = "nothing comes any more";
  }
}

LoadEngine::Connection& LoadEngine::At(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (index >= connections_.size()) connections_.resize(2 * index + 1);
  return connections_[index];
}

void LoadEngine::Watch(int epoll, int fd, uint32_t events) {
  epoll_event event = {.events = events, .data = {.fd = fd}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
}

void LoadEngine::MoveToBulk(int fd, uint32_t events) {
  if (epoll_ctl(quick_epoll_, EPOLL_CTL_DEL, fd, nullptr) != 0) {
    Die("epoll_ctl");
  }
  --quick_;
  ++bulk_;
  Watch(bulk_epoll_, fd, events);
}

void LoadEngine::Close(int fd) {
  Connection& connection = At(fd);
  if (IsUpstream(connection.role)) --upstreams_;
  if (connection.role == Role::kHeld) --held_;
  --(IsBulk(connection.role) ? bulk_ : quick_);
  connection.role = Role::kNone;
  close(fd);
}

// Closes clients and waits until the proxy has closed its side too.
void LoadEngine::CloseClients(bool held) {
  releasing_ = true;
  for (size_t i = 0; i < connections_.size(); ++i) {
    const Role role = connections_[i].role;
    const int fd = static_cast<int>(i);
    const bool stream = role == Role::kUploader || role == Role::kDownloader;
    // What lies in the queues of a stream is not worth waiting for.
    const linger reset = {.l_onoff = 1, .l_linger = 0};
    if (stream) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (stream || role == Role::kAsker || (held && role == Role::kHeld)) {
      Close(fd);
    }
  }
  const std::string error = error_;
  error_.clear();
  Await(Clock::time_point::max(), &LoadEngine::OnlyHeldAreLeft);
  if (!error_.empty()) error_ = "the proxy holds on to connections";
  if (!error.empty()) error_ = error;
  releasing_ = false;
}

void LoadEngine::Fail(const char* what) {
  if (!releasing_ && error_.empty()) {
    error_ = std::string(what) + ": " + std::strerror(errno);
  }
}

void LoadEngine::Start(size_t group) {
  const LoadCommand& command = groups_[group].command;
  for (size_t i = 0; i < command.connections; ++i) {
    if (groups_[group].started >= command.count || !error_.empty()) break;
    StartClient(group);
    // The upstream's queue must not fill up meanwhile.
    if (i % 64 == 63) Round(0);
  }
}

void LoadEngine::StartClient(size_t group) {
  Group& own = groups_[group];
  const LoadCommand& command = own.command;
  ++own.started;
  const Clock::time_point now = Clock::now();
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(command.port);
  // Blocking: the kernel of the proxy's side answers, not the proxy.
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address),
                        sizeof(address)) != 0) {
    Fail("connect");
    if (fd >= 0) close(fd);
    return;
  }
  ++started_;
  SendAtOnce(fd);
  Connection& connection = At(fd);
  connection = {.role = Role::kAsker, .group = group, .asked = now};
  const bool is_long = command.mode == LoadMode::kChurn &&
                       own.longs < command.long_most &&
                       Scatter(own.started) % command.long_each == 0;
  char first = kEcho;
  if (command.mode == LoadMode::kUp || is_long) {
    connection.role = Role::kUploader;
    first = static_cast<char>(kSink + group);
    own.longs += is_long ? 1 : 0;
  } else if (command.mode == LoadMode::kDown) {
    connection.role = Role::kDownloader;
    first = static_cast<char>(kSource + group);
  } else if (command.mode == LoadMode::kIdle) {
    connection.role = Role::kHeld;
    ++held_;
  }
  const bool bulk = IsBulk(connection.role);
  ++(bulk ? bulk_ : quick_);
  Watch(bulk ? bulk_epoll_ : quick_epoll_, fd,
        connection.role == Role::kUploader ? EPOLLOUT : EPOLLIN);
  if (bulk) {
    Send(fd, &first, 1);
  } else {
    Send(fd, buffer_.data(), command.bytes);
  }
}

// A small message always fits into an empty queue.
void LoadEngine::Send(int fd, const char* data, size_t bytes) {
  if (send(fd, data, bytes, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes)) {
    Fail("send");
  }
}

}  // namespace weir
