// Internal to tests/bench/load. Both peers of a proxy, in one thread.
//
// What an upstream connection is for, its first byte says: kEcho and all others
// are sent back, kSink + N is the first of a stream that command N counts,
// kSource + N asks for a stream.

#ifndef TESTS_BENCH_LOAD_ENGINE_H_
#define TESTS_BENCH_LOAD_ENGINE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/latency_log.h"
#include "tests/bench/load_command.h"

namespace weir {

class LoadEngine {
 public:
  LoadEngine();

  // The upstream's, on 127.0.0.1.
  int port() const { return port_; }

  // Runs the commands together and returns the JSON answer. The first one says
  // how long; it starts when the others are under way.
  std::string Run(const std::vector<LoadCommand>& commands);

  // Closes what `idle` holds, and waits until the proxy has closed its side.
  std::string Release();

 private:
  using Clock = std::chrono::steady_clock;

  enum class Role : uint8_t {
    kNone,
    // Of the upstream.
    kNew,
    kEcho,
    kSink,
    kSource,
    // Of clients.
    kAsker,
    kHeld,
    kUploader,
    kDownloader,
  };

  static constexpr char kEcho = 'x';
  static constexpr char kSink = 'a';
  static constexpr char kSource = 'A';

  struct Connection {
    Role role = Role::kNone;
    size_t group = 0;
    size_t got = 0;  // of the answer so far
    Clock::time_point asked;
  };

  struct Amount {
    uint64_t units = 0;  // answers
    uint64_t bytes = 0;  // of streams that arrived
  };

  struct Group {
    LoadCommand command;
    uint64_t started = 0;
    uint64_t units = 0;  // answers
    uint64_t bytes = 0;  // of streams that arrived
    uint64_t longs = 0;  // long connections that were started
    Amount moved;
    Amount before;   // the first command started
    Amount in_time;  // moved when the time was over
    LatencyLog latency;
  };

  [[noreturn]] static void Die(const char* what);
  static void SendAtOnce(int fd);
  static bool IsStream(LoadMode mode);
  static std::string Answer(Group& group, double seconds);
  static bool IsBulk(Role role);
  static bool IsUpstream(Role role);
  static bool Done(const Group& group);

  Connection& At(int fd);
  void Watch(int epoll, int fd, uint32_t events);
  void MoveToBulk(int fd, uint32_t events);
  void Close(int fd);
  void CloseClients(bool held);
  void Fail(const char* what);

  void Start(size_t group);
  void StartClient(size_t group);
  void Await(Clock::time_point end, bool (LoadEngine::*done)() const);
  bool FirstIsDone() const;
  bool EachMoved() const;
  bool OthersRun() const;
  bool AllArrived() const;
  bool OnlyHeldAreLeft() const;
  uint64_t Moved() const;

  void Round(int milliseconds);
  void QuickRound(int milliseconds);
  void Quick(int fd);
  void Bulk(int fd, uint32_t events);
  void Accept();
  void FirstBytes(int fd);
  void Echo(int fd);
  void Reply(int fd);
  void Send(int fd, const char* data, size_t bytes);
  // False when there is nothing more to come, and the connection is closed.
  bool Count(int fd, uint64_t* bytes);

  // Streams are looked at here, and the small ones there: after each step of a
  // stream, so that their times are not those of this program.
  const int bulk_epoll_;
  const int quick_epoll_;
  int listener_ = -1;
  int port_ = 0;
  std::vector<Connection> connections_;  // by descriptor
  std::vector<Group> groups_;
  size_t chunk_ = kMostBytes;  // of a stream
  size_t quick_ = 0;           // connections in quick_epoll_
  size_t bulk_ = 0;            // connections in bulk_epoll_
  size_t upstreams_ = 0;       // connections of the upstream
  size_t held_ = 0;            // clients that `idle` holds
  uint64_t started_ = 0;       // clients, ever
  uint64_t arrived_ = 0;       // connections of the upstream with a byte, ever
  bool over_ = false;          // what ends is not begun again
  bool releasing_ = false;     // ends are expected
  std::string error_;
  std::vector<char> buffer_;
};

}  // namespace weir

#endif  // TESTS_BENCH_LOAD_ENGINE_H_
