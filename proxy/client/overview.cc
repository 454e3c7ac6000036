#include "proxy/client/overview.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"

namespace weir {
namespace {

constexpr char kLag[] = "weir_reactor_lag_seconds";
constexpr char kBusy[] = "weir_reactor_busy_seconds_total";
constexpr char kPoll[] = "weir_reactor_poll_seconds_total";
constexpr char kIterations[] = "weir_reactor_iterations_total";
constexpr char kConnections[] = "weir_reactor_connections";
constexpr char kStalls[] = "weir_reactor_stalls_total";
constexpr char kActive[] = "weir_connections_active";
constexpr char kAccepted[] = "weir_connections_accepted_total";
constexpr char kRejected[] = "weir_connections_rejected_total";
constexpr char kConnects[] = "weir_upstream_connects_total";
constexpr char kReceived[] = "weir_received_bytes_total";
constexpr char kUp[] = "weir_upstream_up";

// Two readings as one window.
class Window {
 public:
  Window(const StatusReading& before, const StatusReading& after)
      : before_(before), after_(after) {}

  double Rise(const std::string& family, const Labels& labels) const {
    return std::max(after_.Sum(family, labels) - before_.Sum(family, labels),
                    0.0);
  }
  Buckets Histogram(const std::string& family, const Labels& labels) const {
    const StatusReading::Series* after = after_.Find(family, labels);
    const StatusReading::Series* before = before_.Find(family, labels);
    if (after == nullptr) return {};
    return before == nullptr ? after->buckets
                             : Difference(before->buckets, after->buckets);
  }
  double Now(const std::string& family, const Labels& labels) const {
    return after_.Sum(family, labels);
  }
  double seconds() const { return after_.uptime - before_.uptime; }

 private:
  const StatusReading& before_;
  const StatusReading& after_;
};

double Share(double part, double whole) { return whole > 0 ? part / whole : 0; }

// Attempts that did not end in a connection.
double FailedConnects(const StatusReading& reading, const std::string& name) {
  return reading.Sum(kConnects, {{"forward", name}}) -
         reading.Sum(kConnects, {{"forward", name}, {"result", "ok"}}) +
         reading.Sum(kRejected, {{"forward", name}});
}

std::vector<std::string> LoopNames(const StatusReading& reading) {
  std::vector<std::string> names;
  const auto busy = reading.metrics.find(kBusy);
  if (busy == reading.metrics.end()) return names;
  for (const StatusReading::Series& series : busy->second) {
    const auto label = series.labels.find("reactor");
    if (label != series.labels.end()) names.push_back(label->second);
  }
  // Numbers by their size, what is none after them.
  const auto rank = [](const std::string& name) {
    int number = 0;
    const bool is_number = absl::SimpleAtoi(name, &number);
    return std::make_pair(is_number ? 0 : 1, number);
  };
  std::stable_sort(names.begin(), names.end(),
                   [&](const std::string& a, const std::string& b) {
                     return rank(a) < rank(b);
                   });
  return names;
}

LoopRow MakeLoop(const std::string& name, const Window& window,
                 const std::vector<ReactorReading>& reactors) {
  const Labels labels = {{"reactor", name}};
  LoopRow row;
  row.name = name;
  const double busy = window.Rise(kBusy, labels);
  row.busy = Share(busy, busy + window.Rise(kPoll, labels));
  const Buckets lag = window.Histogram(kLag, labels);
  row.lag_p50 = Quantile(lag, 0.5);
  row.lag_p99 = Quantile(lag, 0.99);
  row.lag_worst = Worst(lag);
  row.iterations = Share(window.Rise(kIterations, labels), window.seconds());
  row.connections = window.Now(kConnections, labels);
  row.stalls = window.Now(kStalls, labels);
  row.new_stalls = window.Rise(kStalls, labels);
  for (const ReactorReading& reactor : reactors) {
    if (reactor.name != name) continue;
    row.now = reactor.current;
    if (!reactor.stalls.empty()) row.last = reactor.stalls.front();
  }
  return row;
}

ForwardRow MakeForward(const StatusReading::Forward& forward,
                       const StatusReading& before, const StatusReading& after,
                       const Window& window) {
  const Labels labels = {{"forward", forward.name}};
  const auto side = [&](const char* name) {
    return Labels{{"forward", forward.name}, {"side", name}};
  };
  const double seconds = window.seconds();
  ForwardRow row;
  row.name = forward.name;
  row.listen = absl::StrJoin(forward.listen, " ");
  row.target = forward.target;
  const auto up = after.metrics.find(kUp);
  if (up != after.metrics.end() && !up->second.empty()) {
    row.up = after.Sum(kUp, labels) > 0;
  }
  row.active = after.Sum(kActive, labels);
  row.accepted = after.Sum(kAccepted, labels);
  row.failed = FailedConnects(after, forward.name);
  row.bytes_up = after.Sum(kReceived, side("client"));
  row.bytes_down = after.Sum(kReceived, side("upstream"));
  row.accept_rate = Share(window.Rise(kAccepted, labels), seconds);
  row.fail_rate =
      Share(std::max(row.failed - FailedConnects(before, forward.name), 0.0),
            seconds);
  row.up_rate = Share(window.Rise(kReceived, side("client")), seconds);
  row.down_rate = Share(window.Rise(kReceived, side("upstream")), seconds);
  return row;
}

}  // namespace

Overview MakeOverview(const StatusReading& before, const StatusReading& after,
                      const std::vector<ReactorReading>& reactors) {
  const bool same = before.pid == after.pid && before.uptime < after.uptime;
  const StatusReading nothing;
  const StatusReading& start = same ? before : nothing;
  const Window window(start, after);
  Overview overview;
  overview.version = after.version;
  overview.pid = after.pid;
  overview.uptime = after.uptime;
  overview.phase = after.phase;
  overview.active = after.Sum(kActive);
  overview.seconds = window.seconds();
  for (const std::string& name : LoopNames(after)) {
    overview.loops.push_back(MakeLoop(name, window, reactors));
  }
  for (const StatusReading::Forward& forward : after.forwards) {
    overview.forwards.push_back(MakeForward(forward, start, after, window));
  }
  overview.access_log = after.access_log;
  return overview;
}

}  // namespace weir
