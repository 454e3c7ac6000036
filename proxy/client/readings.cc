#include "proxy/client/readings.h"

#include <limits>
#include <utility>

#include "proxy/client/json_fields.h"

namespace weir {
namespace {

std::vector<std::string> Texts(const Json& array) {
  std::vector<std::string> texts;
  if (!array.is_array()) return texts;
  for (const Json& item : array) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

// [[0.001,900],...,["+Inf",1000]]
Buckets ParseBuckets(const Json& array) {
  Buckets buckets;
  if (!array.is_array()) return buckets;
  for (const Json& pair : array) {
    if (!pair.is_array() || pair.size() != 2 || !pair[1].is_number()) return {};
    buckets.bounds.push_back(pair[0].is_number()
                                 ? pair[0].get<double>()
                                 : std::numeric_limits<double>::infinity());
    buckets.counts.push_back(pair[1].get<double>());
  }
  return buckets;
}

StatusReading::Series ParseSeries(const Json& json) {
  StatusReading::Series series;
  const Json& labels = Field(json, "labels");
  if (labels.is_object()) {
    for (const auto& [name, value] : labels.items()) {
      if (value.is_string()) series.labels[name] = value.get<std::string>();
    }
  }
  series.value = NumberField(json, "value");
  series.buckets = ParseBuckets(Field(json, "buckets"));
  return series;
}

// `now` is the server's time; 0: this stall lasts.
StallReading ParseStall(const Json& json, double now) {
  StallReading stall;
  if (now > 0) stall.ago = now - NumberField(json, "time_seconds");
  stall.seconds = NumberField(json, "seconds");
  stall.kind = TextField(json, "kind");
  stall.forward = TextField(json, "forward");
  stall.connection = CountField(json, "connection");
  stall.cause = TextField(json, "cause");
  stall.stack = Texts(Field(json, "stack"));
  return stall;
}

}  // namespace

double StatusReading::Sum(const std::string& family,
                          const Labels& labels) const {
  const auto found = metrics.find(family);
  if (found == metrics.end()) return 0;
  double sum = 0;
  for (const Series& series : found->second) {
    bool fits = true;
    for (const auto& [name, value] : labels) {
      const auto label = series.labels.find(name);
      fits &= label != series.labels.end() && label->second == value;
    }
    if (fits) sum += series.value;
  }
  return sum;
}

const StatusReading::Series* StatusReading::Find(const std::string& family,
                                                 const Labels& labels) const {
  const auto found = metrics.find(family);
  if (found == metrics.end()) return nullptr;
  for (const Series& series : found->second) {
    if (series.labels == labels) return &series;
  }
  return nullptr;
}

absl::StatusOr<StatusReading> ParseStatus(const std::string& body) {
  const absl::StatusOr<Json> json = ParseJsonObject(body);
  if (!json.ok()) return json.status();
  StatusReading reading;
  reading.version = TextField(*json, "version");
  reading.pid = static_cast<int64_t>(CountField(*json, "pid"));
  reading.uptime = NumberField(*json, "uptime_seconds");
  reading.phase = TextField(*json, "phase");
  reading.drain_timeout = NumberField(*json, "drain_timeout_seconds");
  for (const Json& item : Field(*json, "forwards")) {
    reading.forwards.push_back({TextField(item, "name"),
                                Texts(Field(item, "listen")),
                                TextField(item, "target")});
  }
  if (const Json& log = Field(*json, "access_log"); log.is_object()) {
    reading.access_log = {.file = TextField(log, "file"),
                          .state = TextField(log, "state"),
                          .lines = CountField(log, "lines"),
                          .dropped = CountField(log, "dropped")};
  }
  const Json& metrics = Field(*json, "metrics");
  if (!metrics.is_object()) return reading;
  for (const auto& [family, value] : metrics.items()) {
    std::vector<StatusReading::Series>& all = reading.metrics[family];
    for (const Json& item : Field(value, "series")) {
      all.push_back(ParseSeries(item));
    }
  }
  return reading;
}

absl::StatusOr<std::vector<ReactorReading>> ParseReactors(
    const std::string& body) {
  const absl::StatusOr<Json> json = ParseJsonObject(body);
  if (!json.ok()) return json.status();
  // What runs for less is no stall, but what a loop is there for.
  const double threshold = NumberField(*json, "stall_threshold_seconds");
  const double now = NumberField(*json, "time_seconds");
  std::vector<ReactorReading> reactors;
  for (const Json& item : Field(*json, "reactors")) {
    ReactorReading reactor;
    reactor.name = TextField(item, "reactor");
    reactor.phase = TextField(item, "phase");
    reactor.age = NumberField(item, "age_seconds");
    const Json& current = Field(item, "current");
    if (current.is_object() && NumberField(current, "seconds") >= threshold) {
      reactor.current = ParseStall(current, 0);
    }
    for (const Json& stall : Field(item, "stalls")) {
      reactor.stalls.push_back(ParseStall(stall, now));
    }
    reactors.push_back(std::move(reactor));
  }
  return reactors;
}

absl::StatusOr<ConnectionsReading> ParseConnections(const std::string& body) {
  const absl::StatusOr<Json> json = ParseJsonObject(body);
  if (!json.ok()) return json.status();
  ConnectionsReading reading;
  reading.total = CountField(*json, "total");
  reading.truncated = BoolField(*json, "truncated");
  reading.silent = Texts(Field(*json, "silent"));
  for (const Json& item : Field(*json, "connections")) {
    ConnectionReading connection;
    connection.id = CountField(item, "id");
    connection.forward = TextField(item, "forward");
    connection.reactor = TextField(item, "reactor");
    connection.state = TextField(item, "state");
    connection.client = TextField(item, "client");
    connection.upstream = TextField(item, "upstream");
    connection.age = NumberField(item, "age_seconds");
    connection.idle = NumberField(item, "idle_seconds");
    connection.bytes_up = CountField(item, "bytes_up");
    connection.bytes_down = CountField(item, "bytes_down");
    reading.connections.push_back(std::move(connection));
  }
  return reading;
}

}  // namespace weir
