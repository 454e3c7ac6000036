#include "proxy/observe/admin.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace weir {
namespace {

constexpr int kOk = 200;
constexpr int kAccepted = 202;
constexpr int kUnavailable = 503;

constexpr char kEndpoints[] =
    "weir\n"
    "\n"
    "GET  /metrics  Prometheus text format\n"
    "GET  /startup  200 when every listener is bound\n"
    "GET  /ready    200 while new connections are welcome\n"
    "GET  /live     200 while every loop turns\n"
    "POST /drain    stop to accept, let connections end, exit\n";

HttpResponse Text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

// What a probe is told: its body says what state the process is in.
HttpResponse Probe(bool ok, const char* state) {
  return Text(ok ? kOk : kUnavailable, absl::StrCat(state, "\n"));
}

const char* PhaseName(Health::Phase phase) {
  switch (phase) {
    case Health::Phase::kStarting:
      return "starting";
    case Health::Phase::kReady:
      return "ready";
    case Health::Phase::kDraining:
      return "draining";
  }
  return "";
}

double Flag(bool value) { return value ? 1 : 0; }

}  // namespace

void AddStateMetrics(const std::string& version, const Health* health,
                     Registry* registry) {
  registry->AddGauge("weir_build_info", "Always 1; the label says what runs.",
                     {{"version", version}}, [] { return 1.0; });
  registry->AddGauge("weir_ready", "1 while new connections are welcome.", {},
                     [health] { return Flag(health->ready()); });
  registry->AddGauge("weir_draining", "1 from the request to stop on.", {},
                     [health] { return Flag(health->draining()); });
}

Admin::Admin(Options options) : options_(std::move(options)) {
  const Health* health = options_.health;
  server_.Handle(HttpMethod::kGet, "/",
                 [](const HttpRequest&) { return Text(kOk, kEndpoints); });
  server_.Handle(HttpMethod::kGet, "/metrics", [this](const HttpRequest&) {
    HttpResponse response = Text(kOk, options_.registry->Serialize());
    response.content_type = Registry::kContentType;
    return response;
  });
  server_.Handle(HttpMethod::kGet, "/startup", [health](const HttpRequest&) {
    const Health::Phase phase = health->phase();
    return Probe(phase != Health::Phase::kStarting, PhaseName(phase));
  });
  server_.Handle(HttpMethod::kGet, "/ready", [health](const HttpRequest&) {
    const Health::Phase phase = health->phase();
    return Probe(phase == Health::Phase::kReady, PhaseName(phase));
  });
  server_.Handle(HttpMethod::kGet, "/live",
                 [this](const HttpRequest&) { return Live(); });
  server_.Handle(HttpMethod::kPost, "/drain", [this](const HttpRequest&) {
    options_.request_drain();
    return Text(kAccepted, "draining\n");
  });
}

HttpResponse Admin::Live() const {
  std::string stuck;
  for (const Loop& loop : options_.loops) {
    const std::chrono::nanoseconds age = loop.age();
    if (age < kDeadAfter) continue;
    absl::StrAppendFormat(&stuck, "%s: stuck for %.1f s\n", loop.name,
                          std::chrono::duration<double>(age).count());
  }
  return stuck.empty() ? Text(kOk, "live\n") : Text(kUnavailable, stuck);
}

}  // namespace weir
