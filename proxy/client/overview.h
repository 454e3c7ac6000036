// Public. What `weir status` and `weir top` show of a proxy: what happened
// between two readings of its /status.

#ifndef PROXY_CLIENT_OVERVIEW_H_
#define PROXY_CLIENT_OVERVIEW_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/client/readings.h"

namespace weir {

// A loop over the window. Percentages of time and lag cannot be read off totals
// since the start: they would be those of a day, not of now.
struct LoopRow {
  std::string name;                  // "0", "control"
  double busy = 0;                   // share of time, 0 to 1
  std::optional<double> lag_p50;     // seconds; nothing: no sample
  std::optional<double> lag_p99;     // seconds
  std::optional<double> lag_worst;   // seconds; infinite beyond all buckets
  double iterations = 0;             // a second
  double connections = 0;            // now
  double stalls = 0;                 // since the start
  double new_stalls = 0;             // in the window
  std::optional<StallReading> now;   // that lasts
  std::optional<StallReading> last;  // that is over
};

struct ForwardRow {
  std::string name;
  std::string listen;  // "127.0.0.1:5432 [::1]:5432"
  std::string target;
  std::optional<bool> up;  // nothing: the proxy does not say
  // Now, or since the start.
  double active = 0;
  double accepted = 0;
  double failed = 0;  // attempts to connect, and connections rejected
  double bytes_up = 0;
  double bytes_down = 0;
  // A second, in the window.
  double accept_rate = 0;
  double fail_rate = 0;
  double up_rate = 0;
  double down_rate = 0;
};

struct Overview {
  std::string version;
  int64_t pid = 0;
  double uptime = 0;  // seconds
  std::string phase;
  double active = 0;           // connections
  double seconds = 0;          // length of the window
  std::vector<LoopRow> loops;  // the control loop's last; empty: not measured
  std::vector<ForwardRow> forwards;
  std::optional<StatusReading::AccessLog> access_log;
};

// `reactors` may be empty. When `before` is of another process, the window is
// all the time of `after`.
Overview MakeOverview(const StatusReading& before, const StatusReading& after,
                      const std::vector<ReactorReading>& reactors);

}  // namespace weir

#endif  // PROXY_CLIENT_OVERVIEW_H_
