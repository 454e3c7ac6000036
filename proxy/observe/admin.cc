#include "proxy/observe/admin.h"

#include <utility>

#include "metrics/http_message.h"
#include "metrics/http_reply.h"
#include "proxy/observe/admin_commands.h"
#include "proxy/observe/admin_connections.h"
#include "proxy/observe/admin_status.h"
#include "proxy/observe/page/page.h"
#include "proxy/observe/probes.h"
#include "proxy/observe/responses.h"

namespace weir {
namespace {

// The page loads nothing from elsewhere, runs no script that is written into
// it, and shows in no frame of another, which could lead a click onto a button.
const std::vector<std::pair<std::string, std::string>>& PageHeaders() {
  static const auto& headers =
      *new std::vector<std::pair<std::string, std::string>>{
          {"Content-Security-Policy",
           "default-src 'self'; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none'"},
          {"X-Frame-Options", "DENY"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"}};
  return headers;
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

Admin::Admin(Options options)
    : options_(std::move(options)),
      loops_(&options_.facts, options_.loops, options_.stack_names,
             options_.clock) {
  std::vector<std::string> names;
  for (const LoopSource& loop : options_.loops) names.push_back(loop.name);
  stalls_ =
      std::make_unique<StallOrders>(std::move(names), options_.inject_stall);
  lister_ = std::make_unique<ConnectionLister>(
      &options_.facts, options_.workers, server_.poster(), options_.clock);
  killer_ =
      std::make_unique<ConnectionKiller>(options_.workers, server_.poster());
  // In the order in which a 404 lists them.
  AddPage();
  AddProbes(options_.registry, options_.health, options_.loops, &server_);
  AddQuestions();
  AddCommands();
}

Admin::~Admin() { Stop(); }

void Admin::AddPage() {
  for (const PageFile& file : PageFiles()) {
    server_.Handle(HttpMethod::kGet, std::string(file.path),
                   [&file](const HttpRequest&) {
                     HttpResponse response;
                     response.content_type = file.content_type;
                     response.body = file.body;
                     response.headers = PageHeaders();
                     return response;
                   });
  }
}

void Admin::AddQuestions() {
  const auto handle = [this](const std::string& path, HttpHandler handler) {
    server_.Handle(HttpMethod::kGet, path, std::move(handler),
                   HttpAudience::kNoForeignPage);
  };
  handle("/status", [this](const HttpRequest&) {
    return JsonResponse(
        kHttpOk,
        StatusJson(options_.facts, options_.health->phase(),
                   options_.inject_stall != nullptr, options_.access_log,
                   *options_.registry, options_.clock));
  });
  handle("/config", [this](const HttpRequest&) {
    return JsonResponse(kHttpOk, ConfigJson(options_.facts));
  });
  handle("/debug/reactors", [this](const HttpRequest&) {
    return JsonResponse(kHttpOk, loops_.Get());
  });
  server_.HandleLater(
      HttpMethod::kGet, "/debug/connections",
      [this](const HttpRequest& request, HttpReply reply) {
        return lister_->Get(request, std::move(reply));
      },
      HttpAudience::kNoForeignPage);
}

void Admin::AddCommands() {
  server_.Handle(HttpMethod::kPost, "/drain", [this](const HttpRequest&) {
    options_.request_drain();
    return TextResponse(kHttpAccepted, "draining");
  });
  server_.Handle(HttpMethod::kPost, "/log_level",
                 [this](const HttpRequest& request) {
                   return PostLogLevel(request, options_.set_log_level);
                 });
  server_.HandleLater(HttpMethod::kPost, "/connections/{id}/close",
                      [this](const HttpRequest& request, HttpReply reply) {
                        return killer_->Post(request, std::move(reply));
                      });
  server_.HandleLater(HttpMethod::kPost, "/debug/stall",
                      [this](const HttpRequest& request, HttpReply reply) {
                        return stalls_->Post(request, std::move(reply));
                      });
}

}  // namespace weir
