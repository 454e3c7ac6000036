// Public. What the admin port is told about the proxy, and whom it asks.

#ifndef PROXY_OBSERVE_ADMIN_SOURCES_H_
#define PROXY_OBSERVE_ADMIN_SOURCES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reactor/clock.h"
#include "reactor/stall.h"

namespace weir {

// Names and values, in the order in which they are shown.
using NamedValues = std::vector<std::pair<std::string, std::string>>;

struct ForwardFacts {
  std::string name;
  std::string spec;                 // as it was given
  std::vector<std::string> listen;  // what is bound: "127.0.0.1:5432"
  std::string target;
  NamedValues keys;
};

// What does not change while the process serves.
struct ProcessFacts {
  std::string version;
  int64_t pid = 0;
  MonoTime created_at;
  std::string poller;
  int64_t max_connections = 0;
  Duration drain_timeout{};
  Duration stall_threshold{};
  NamedValues flags;
  std::vector<ForwardFacts> forwards;
};

// A loop. The functions are called on the thread of an HTTP server, do not
// block, and are valid until it has stopped.
struct LoopSource {
  std::string name;  // "0" ... "control", the label `reactor`
  // How long its current iteration has been running; 0 while it polls. Null:
  // the loop is not observed.
  std::function<Duration()> age;
  std::function<LoopActivity()> activity = nullptr;
  std::function<std::vector<Stall>()> stalls = nullptr;  // the newest first
};

// A connection, as it was when its loop was asked.
struct ConnectionRow {
  uint64_t id = 0;
  size_t forward = 0;  // its index
  std::string_view state;
  std::string client;
  std::string upstream;  // empty before the first attempt to connect
  Duration age{};
  Duration idle{};
  uint64_t bytes_up = 0;
  uint64_t bytes_down = 0;
  uint64_t buffered_up = 0;
  uint64_t buffered_down = 0;
  std::string_view path;
};

// What a loop answers when it is asked for its connections. Copies share the
// list.
struct ConnectionRows {
  size_t total = 0;   // how many there are, listed or not
  size_t listed = 0;  // how many the list has
  // Of element i. Called on the server's thread: the loop formats no texts, and
  // nobody those of a connection that is not shown.
  std::function<uint64_t(size_t i)> id;
  std::function<ConnectionRow(size_t i)> row;
};

// A loop that serves connections. The functions are called on the server's
// thread; each only posts a question, whose answer may come on any thread, or
// never.
struct WorkerSource {
  std::string name;  // the LoopSource's
  // The first `limit` connections, oldest first, of that forward or of all.
  std::function<void(std::optional<size_t> forward, size_t limit,
                     std::function<void(ConnectionRows)> done)>
      list;
  // Ends a connection: whether this loop had it.
  std::function<void(uint64_t id, std::function<void(bool)> done)> kill;
};

// A stall on purpose. Destroyed, with `begins`, when it is over, or when it
// will not come: until then the loop is given no other.
struct StallOrder {
  enum class How { kCpu, kBlocked };

  size_t loop = 0;  // index of a LoopSource
  How how = How::kCpu;
  Duration duration{};
  uint64_t connection = 0;  // for whom; 0: nobody
  // Told just before it begins, or that there is no such connection.
  std::function<void(bool)> begins;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_SOURCES_H_
