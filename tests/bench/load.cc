// Both peers of a proxy in one process and one thread: clients that connect to
// it, and the upstream that it connects to. So one core belongs to the load and
// the others to the proxy, and one process knows what arrived.
//
// Prints {"port": N}, the port of its upstream on 127.0.0.1, then reads
// commands and answers each with one line of JSON:
//
//   pingpong PORT CONNECTIONS BYTES COUNT MILLISECONDS   units: round trips
//   connect PORT CONCURRENT COUNT MILLISECONDS           units: connections
//   up PORT CONNECTIONS MILLISECONDS                     units: bytes that
//   arrived down PORT CONNECTIONS MILLISECONDS                   the same idle
//   PORT CONNECTIONS                                holds them release closes
//   these
//
// A COUNT or MILLISECONDS of 0 is no limit. A unit of `connect` is: connect, a
// byte each way, close. The answer holds "units" and "seconds", or "error".

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBulkBytes = size_t{1} << 18;
constexpr int kFirstPort = 20'000;
constexpr int kPorts = 10'000;
// A proxy that says nothing for this long is broken.
constexpr std::chrono::seconds kPatience{60};

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

enum class Mode { kPingPong, kConnect, kUp, kDown, kIdle };

struct Command {
  Mode mode = Mode::kIdle;
  int port = 0;
  size_t connections = 0;
  size_t bytes = 1;
  uint64_t count = std::numeric_limits<uint64_t>::max();
  std::chrono::milliseconds time = std::chrono::hours(24);
};

class Load {
 public:
  Load() : epoll_(epoll_create1(EPOLL_CLOEXEC)), buffer_(kBulkBytes, 'x') {
    if (epoll_ < 0) Die("epoll_create1");
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
    Watch(listener_, EPOLLIN);
  }

  int port() const { return port_; }

  // Returns the JSON answer.
  std::string Run(const Command& command) {
    command_ = command;
    units_ = 0;
    started_ = 0;
    error_.clear();
    const Clock::time_point begin = Clock::now();
    const Clock::time_point end = begin + command.time;
    for (size_t i = 0; i < command.connections && MayStart(); ++i) {
      StartClient();
      // The upstream's queue must not fill up meanwhile.
      if (i % 64 == 63) Round(0);
    }
    Clock::time_point last = begin;
    uint64_t seen = 0;
    while (error_.empty() && !Done()) {
      Round(10);
      const Clock::time_point now = Clock::now();
      if (now >= end) break;
      if (units_ != seen) last = now;
      seen = units_;
      if (now - last > kPatience) error_ = "nothing comes any more";
    }
    const double seconds =
        std::chrono::duration<double>(Clock::now() - begin).count();
    if (command.mode != Mode::kIdle) Release();
    std::ostringstream answer;
    if (error_.empty()) {
      answer << "{\"units\": " << units_ << ", \"seconds\": " << seconds << "}";
    } else {
      answer << "{\"error\": \"" << error_ << "\"}";
    }
    return answer.str();
  }

  // Closes all clients and waits until the proxy has closed its side too.
  void Release() {
    const bool bulk =
        command_.mode == Mode::kUp || command_.mode == Mode::kDown;
    for (const auto& [fd, got] : clients_) {
      // What lies in the queues of a bulk stream is not worth waiting for.
      const linger reset = {.l_onoff = 1, .l_linger = 0};
      if (bulk) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
      close(fd);
    }
    clients_.clear();
    releasing_ = true;
    const Clock::time_point end = Clock::now() + kPatience;
    while (!upstreams_.empty() && Clock::now() < end) Round(10);
    releasing_ = false;
    if (!upstreams_.empty()) error_ = "the proxy holds on to connections";
  }

 private:
  static sockaddr_in Loopback(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
  }

  void Watch(int fd, uint32_t events) {
    epoll_event event = {.events = events, .data = {.fd = fd}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
  }

  bool MayStart() const { return started_ < command_.count; }

  bool Done() const {
    return units_ >= (command_.mode == Mode::kIdle ? command_.connections
                                                   : command_.count);
  }

  void Fail(const char* what) {
    if (!releasing_ && error_.empty()) {
      error_ = std::string(what) + ": " + std::strerror(errno);
    }
  }

  // Small messages always fit into an empty queue.
  void SendSmall(int fd, size_t bytes) {
    if (send(fd, buffer_.data(), bytes, MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes)) {
      Fail("send");
    }
  }

  void StartClient() {
    ++started_;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(command_.port);
    // Blocking: the kernel of the proxy's side answers, not the proxy.
    if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address),
                          sizeof(address)) != 0) {
      Fail("connect");
      if (fd >= 0) close(fd);
      return;
    }
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    clients_[fd] = 0;
    Watch(fd, command_.mode == Mode::kUp ? EPOLLOUT : EPOLLIN);
    // In `down` it asks for the stream; in `up` the stream is enough.
    if (command_.mode != Mode::kUp) SendSmall(fd, command_.bytes);
  }

  void Round(int milliseconds) {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, milliseconds);
    if (count < 0 && errno != EINTR) Die("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener_) {
        Accept();
      } else if (upstreams_.count(fd) != 0) {
        Upstream(fd, events[i].events);
      } else if (clients_.count(fd) != 0) {
        Client(fd);
      }
    }
  }

  void Accept() {
    while (true) {
      const int fd =
          accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) Fail("accept");
        return;
      }
      const int one = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      upstreams_.insert(fd);
      Watch(fd, command_.mode == Mode::kDown ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
  }

  void CloseUpstream(int fd) {
    upstreams_.erase(fd);
    close(fd);
  }

  void Upstream(int fd, uint32_t events) {
    if (command_.mode == Mode::kDown && (events & EPOLLOUT) != 0 &&
        !releasing_) {
      if (send(fd, buffer_.data(), buffer_.size(), MSG_NOSIGNAL) < 0 &&
          errno != EAGAIN) {
        Fail("send of the upstream");
      }
      if ((events & EPOLLIN) == 0) return;
    }
    const bool sink = command_.mode == Mode::kUp;
    // MSG_TRUNC throws the bytes away in the kernel: they are only counted.
    const ssize_t n =
        recv(fd, buffer_.data(), buffer_.size(), sink ? MSG_TRUNC : 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (n < 0) Fail("recv of the upstream");
      CloseUpstream(fd);
      return;
    }
    if (sink) {
      units_ += static_cast<uint64_t>(n);
    } else if (command_.mode != Mode::kDown) {
      SendSmall(fd, static_cast<size_t>(n));
    }
  }

  void Client(int fd) {
    if (command_.mode == Mode::kUp) {
      if (send(fd, buffer_.data(), buffer_.size(),
               MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
          errno != EAGAIN) {
        Fail("send");
      }
      return;
    }
    const bool sink = command_.mode == Mode::kDown;
    const ssize_t n = recv(fd, buffer_.data(), buffer_.size(),
                           (sink ? MSG_TRUNC : 0) | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (n == 0) errno = EPIPE;
      Fail("recv");
      clients_.erase(fd);
      close(fd);
      return;
    }
    if (sink) {
      units_ += static_cast<uint64_t>(n);
      return;
    }
    size_t& got = clients_[fd];
    got += static_cast<size_t>(n);
    if (got < command_.bytes) return;
    got = 0;
    ++units_;
    if (command_.mode == Mode::kPingPong && units_ < command_.count) {
      SendSmall(fd, command_.bytes);
    } else if (command_.mode == Mode::kConnect) {
      clients_.erase(fd);
      close(fd);
      if (MayStart()) StartClient();
    }
  }

  const int epoll_;
  int listener_ = -1;
  int port_ = 0;
  Command command_;
  std::map<int, size_t> clients_;  // and the bytes of the answer so far
  std::set<int> upstreams_;
  uint64_t units_ = 0;
  uint64_t started_ = 0;
  bool releasing_ = false;  // ends are expected
  std::string error_;
  std::vector<char> buffer_;
};

// False when the line is none of the commands.
bool Parse(const std::string& line, Command* command) {
  std::istringstream words(line);
  std::string name;
  uint64_t count = 0;
  int64_t milliseconds = 0;
  words >> name >> command->port >> command->connections;
  if (name == "pingpong") {
    command->mode = Mode::kPingPong;
    words >> command->bytes >> count >> milliseconds;
  } else if (name == "connect") {
    command->mode = Mode::kConnect;
    words >> count >> milliseconds;
  } else if (name == "up" || name == "down") {
    command->mode = name == "up" ? Mode::kUp : Mode::kDown;
    words >> milliseconds;
  } else if (name == "idle") {
    command->mode = Mode::kIdle;
  } else {
    return false;
  }
  if (count != 0) command->count = count;
  if (milliseconds != 0) {
    command->time = std::chrono::milliseconds(milliseconds);
  }
  return !words.fail() && command->bytes > 0 && command->bytes <= kBulkBytes;
}

}  // namespace

int main() {
  Load load;
  std::printf("{\"port\": %d}\n", load.port());
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    Command command;
    std::string answer = "{}";
    if (line == "release") {
      load.Release();
    } else if (Parse(line, &command)) {
      answer = load.Run(command);
    } else {
      answer = "{\"error\": \"no such command\"}";
    }
    std::printf("%s\n", answer.c_str());
    std::fflush(stdout);
  }
  return 0;
}
