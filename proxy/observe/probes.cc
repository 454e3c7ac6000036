#include "proxy/observe/probes.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "proxy/observe/responses.h"

namespace weir {
namespace {

// Its body says what state the process is in.
HttpResponse Probe(bool ok, Health::Phase phase) {
  return TextResponse(ok ? kHttpOk : kHttpUnavailable,
                      std::string(PhaseName(phase)));
}

HttpResponse Live(const std::vector<LoopSource>& loops) {
  std::vector<std::string> stuck;
  bool observed = true;
  for (const LoopSource& loop : loops) {
    if (!loop.age) {
      observed = false;
      continue;
    }
    const Duration age = loop.age();
    if (age < kDeadAfter) continue;
    stuck.push_back(
        absl::StrFormat("%s: stuck for %.1f s", loop.name,
                        std::chrono::duration<double>(age).count()));
  }
  return stuck.empty()
             ? TextResponse(kHttpOk,
                            observed ? "live" : "live (loops are not observed)")
             : TextResponse(kHttpUnavailable, absl::StrJoin(stuck, "\n"));
}

}  // namespace

void AddProbes(const Registry* registry, const Health* health,
               std::vector<LoopSource> loops, HttpServer* server) {
  server->Handle(HttpMethod::kGet, "/metrics", [registry](const HttpRequest&) {
    HttpResponse response;
    response.body = registry->Serialize();
    response.content_type = Registry::kContentType;
    return response;
  });
  server->Handle(HttpMethod::kGet, "/startup", [health](const HttpRequest&) {
    const Health::Phase phase = health->phase();
    return Probe(phase != Health::Phase::kStarting, phase);
  });
  server->Handle(HttpMethod::kGet, "/ready", [health](const HttpRequest&) {
    const Health::Phase phase = health->phase();
    return Probe(phase == Health::Phase::kReady, phase);
  });
  server->Handle(
      HttpMethod::kGet, "/live",
      [all = std::move(loops)](const HttpRequest&) { return Live(all); });
}

}  // namespace weir
