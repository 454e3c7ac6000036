// An outside, open-loop probe of how late a loop is. Both ends of the proxy are
// here: clients that send one byte at fixed times, and the upstream at which it
// comes out. So each byte passes the loop exactly once, and one clock stamps
// both of its times.
//
// A byte's delay counts from the time at which it was to be sent. It goes out
// then whether or not the ones before it have arrived, on the next of several
// connections in turn: what is outstanding delays nothing.
//
// Prints {"port": N, "priority": "realtime" or "normal"}, the port of its
// upstream on 127.0.0.1, then reads commands and answers each with one line of
// JSON, which may hold "error":
//
//   connect PORT CONNECTIONS         opens these, to a proxy in front of it
//   probe START_NS PERIOD_NS COUNT   byte k is sent at START + k * PERIOD of
//                                    CLOCK_MONOTONIC; delays in nanoseconds
//   close                            closes them
//
// --cpu=N: runs on that processor alone.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
// A byte that has not come by now is lost.
constexpr int64_t kPatience = 20 * kSecond;
constexpr int kFirstPort = 10'000;
constexpr int kPorts = 10'000;

int64_t Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

void SleepUntil(int64_t time) {
  const timespec until = {.tv_sec = time / kSecond, .tv_nsec = time % kSecond};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) ==
         EINTR) {
  }
}

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "lag_prober: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

void SendAtOnce(int fd) {
  const int one = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0) {
    Die("TCP_NODELAY");
  }
}

// Whether the calling thread goes before all others from now on. (Linux gives a
// thread its own; with PID 0 that is the caller.)
bool Raise(int priority) {
  const sched_param param = {.sched_priority = priority};
  return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

class Prober {
 public:
  Prober() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener_ < 0) Die("socket");
    // Below the ports that the kernel gives to outgoing connections.
    port_ = kFirstPort + getpid() % kPorts;
    sockaddr_in address = Loopback(port_);
    while (bind(listener_, reinterpret_cast<sockaddr*>(&address),
                sizeof(address)) != 0) {
      if (errno != EADDRINUSE) Die("bind");
      port_ = port_ + 1 < kFirstPort + kPorts ? port_ + 1 : kFirstPort;
      address = Loopback(port_);
    }
    if (listen(listener_, 64) != 0) Die("listen");
  }

  int port() const { return port_; }

  // Each of these returns the answer.

  std::string Connect(int port, size_t connections) {
    while (clients_.size() < connections) {
      const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = Loopback(port);
      if (client < 0 ||
          connect(client, reinterpret_cast<const sockaddr*>(&address),
                  sizeof(address)) != 0) {
        return Error("connect");
      }
      SendAtOnce(client);
      clients_.push_back(client);
      // One after the other, so that the ends of a connection have one index.
      pollfd look = {.fd = listener_, .events = POLLIN, .revents = 0};
      errno = ETIMEDOUT;
      if (poll(&look, 1, kPatience / 1'000'000) != 1) return Error("upstream");
      const int upstream =
          accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (upstream < 0) return Error("accept");
      upstreams_.push_back(upstream);
    }
    return "{}";
  }

  std::string Close() {
    for (const int fd : clients_) close(fd);
    for (const int fd : upstreams_) close(fd);
    clients_.clear();
    upstreams_.clear();
    return "{}";
  }

  std::string Probe(int64_t start, int64_t period, size_t count) {
    if (clients_.empty()) return R"({"error": "not connected"})";
    // Written in advance: no page fault while it counts.
    received_.assign(count, 0);
    sent_.assign(count, 0);
    error_.clear();
    std::thread receiver([&] { Receive(start + kPatience, period); });
    std::thread sender([&] { Send(start, period); });
    sender.join();
    receiver.join();
    if (!error_.empty()) return error_;

    std::ostringstream answer;
    answer << "{\"delays\": [";
    for (size_t k = 0; k < count; ++k) {
      answer << (k == 0 ? "" : ",") << received_[k] - Due(start, period, k);
    }
    answer << "], \"late\": [";
    for (size_t k = 0; k < count; ++k) {
      answer << (k == 0 ? "" : ",") << sent_[k] - Due(start, period, k);
    }
    answer << "]}";
    return answer.str();
  }

 private:
  static int64_t Due(int64_t start, int64_t period, size_t k) {
    return start + period * static_cast<int64_t>(k);
  }

  static std::string Error(const char* what) {
    return std::string("{\"error\": \"") + what + ": " + std::strerror(errno) +
           "\"}";
  }

  void Send(int64_t start, int64_t period) {
    prctl(PR_SET_TIMERSLACK, 1);
    Raise(20);  // before the receiver
    for (size_t k = 0; k < sent_.size(); ++k) {
      SleepUntil(Due(start, period, k));
      if (send(clients_[k % clients_.size()], "x", 1,
               MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
        Die("send");
      }
      sent_[k] = Now();
    }
  }

  // The n-th byte of connection c is byte n * connections + c of all.
  void Receive(int64_t end, int64_t period) {
    Raise(10);
    end += period * static_cast<int64_t>(received_.size());
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) Die("epoll_create1");
    for (size_t c = 0; c < upstreams_.size(); ++c) {
      epoll_event event = {.events = EPOLLIN, .data = {.u64 = c}};
      if (epoll_ctl(epoll, EPOLL_CTL_ADD, upstreams_[c], &event) != 0) {
        Die("epoll_ctl");
      }
    }
    std::vector<size_t> next(upstreams_.size());
    for (size_t c = 0; c < next.size(); ++c) next[c] = c;
    char buffer[4096];
    size_t missing = received_.size();
    while (missing > 0 && error_.empty()) {
      epoll_event events[64];
      const int ready = epoll_wait(epoll, events, 64, 1000);
      if (ready < 0 && errno != EINTR) Die("epoll_wait");
      // They were all there at this time, whichever is read first.
      const int64_t now = Now();
      for (int i = 0; i < ready; ++i) {
        const size_t c = events[i].data.u64;
        const ssize_t n = recv(upstreams_[c], buffer, sizeof(buffer), 0);
        if (n <= 0) {
          if (n == 0) errno = ECONNRESET;
          if (errno == EAGAIN) continue;
          error_ = Error("recv");
          break;
        }
        for (ssize_t byte = 0; byte < n; ++byte) {
          received_[next[c]] = now;
          next[c] += upstreams_.size();
        }
        missing -= static_cast<size_t>(n);
      }
      if (now > end) error_ = R"({"error": "bytes are missing"})";
    }
    close(epoll);
  }

  int listener_ = -1;
  int port_ = 0;
  std::vector<int> clients_;       // one index is one connection
  std::vector<int> upstreams_;     // through the proxy
  std::vector<int64_t> sent_;      // the sender's, until it has ended
  std::vector<int64_t> received_;  // the receiver's
  std::string error_;              // the receiver's
};

bool Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  return sched_setaffinity(0, sizeof(set), &set) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--cpu=", 6) != 0) {
      std::fprintf(stderr, "lag_prober: unknown argument %s\n", argv[i]);
      return 2;
    }
    if (!Pin(std::atoi(argv[i] + 6))) Die("sched_setaffinity");
  }
  mlockall(MCL_CURRENT | MCL_FUTURE);  // as far as it may
  bool realtime = false;
  std::thread([&realtime] { realtime = Raise(20); }).join();

  Prober prober;
  std::printf("{\"port\": %d, \"priority\": \"%s\"}\n", prober.port(),
              realtime ? "realtime" : "normal");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    std::string answer = R"({"error": "no such command"})";
    if (name == "connect") {
      int port = 0;
      size_t connections = 0;
      words >> port >> connections;
      if (words) answer = prober.Connect(port, connections);
    } else if (name == "probe") {
      int64_t start = 0, period = 0;
      size_t count = 0;
      words >> start >> period >> count;
      if (words && period > 0) answer = prober.Probe(start, period, count);
    } else if (name == "close") {
      answer = prober.Close();
    }
    std::printf("%s\n", answer.c_str());
    std::fflush(stdout);
  }
  return 0;
}
