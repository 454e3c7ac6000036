// Public. What the admin port's JSON says, as values.

#ifndef PROXY_CLIENT_READINGS_H_
#define PROXY_CLIENT_READINGS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proxy/client/quantile.h"

namespace weir {

using Labels = std::map<std::string, std::string>;

// GET /status.
struct StatusReading {
  struct Forward {
    std::string name;
    std::vector<std::string> listen;
    std::string target;
  };
  struct Series {
    Labels labels;
    double value = 0;  // of counters and gauges
    Buckets buckets;   // of histograms
  };

  struct AccessLog {
    std::string file;
    std::string state;  // "writing", "failing: ..."
    uint64_t lines = 0;
    uint64_t dropped = 0;
  };

  std::string version;
  int64_t pid = 0;
  double uptime = 0;  // seconds, monotonic
  std::string phase;
  double drain_timeout = 0;  // seconds
  std::vector<Forward> forwards;
  std::optional<AccessLog> access_log;                 // nothing: there is none
  std::map<std::string, std::vector<Series>> metrics;  // by family

  // The sum over all series of a family that have these labels; 0 for none.
  double Sum(const std::string& family, const Labels& labels = {}) const;
  // Null when there is no series with exactly these labels.
  const Series* Find(const std::string& family, const Labels& labels) const;
};
absl::StatusOr<StatusReading> ParseStatus(const std::string& body);

// A stall, over or under way.
struct StallReading {
  double ago = 0;      // seconds since its begin; 0 while it lasts
  double seconds = 0;  // how long
  std::string kind;
  std::string forward;      // empty: of none
  uint64_t connection = 0;  // 0: of none
  std::string cause;        // empty: not known yet
  std::vector<std::string> stack;
};

// GET /debug/reactors.
struct ReactorReading {
  std::string name;
  std::string phase;
  double age = 0;                       // seconds in this phase
  std::optional<StallReading> current;  // a stall that lasts
  std::vector<StallReading> stalls;     // newest first
};
absl::StatusOr<std::vector<ReactorReading>> ParseReactors(
    const std::string& body);

// GET /debug/connections.
struct ConnectionReading {
  uint64_t id = 0;
  std::string forward;
  std::string reactor;
  std::string state;
  std::string client;
  std::string upstream;  // empty: none yet
  double age = 0;        // seconds
  double idle = 0;       // seconds
  uint64_t bytes_up = 0;
  uint64_t bytes_down = 0;
};
struct ConnectionsReading {
  uint64_t total = 0;
  bool truncated = false;           // `connections` are not all of them
  std::vector<std::string> silent;  // loops that did not answer in time
  std::vector<ConnectionReading> connections;
};
absl::StatusOr<ConnectionsReading> ParseConnections(const std::string& body);

}  // namespace weir

#endif  // PROXY_CLIENT_READINGS_H_
