#include "proxy/observe/admin_commands.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "metrics/http_query.h"
#include "nlohmann/json.hpp"
#include "proxy/observe/admin_connections.h"
#include "proxy/observe/responses.h"

namespace weir {
namespace {

constexpr int64_t kLongestStall = 60'000;  // ms
constexpr std::array<const char*, 2> kHowNames = {"cpu", "blocked"};
// In the order of LogLevel.
constexpr std::array<const char*, 4> kLevelNames = {"error", "warning", "info",
                                                    "verbose"};

// The place of `text` among `names`; nothing where it is not.
template <class Names>
std::optional<size_t> IndexOf(const std::string& text, const Names& names) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<size_t>(found - names.begin());
}

// Which of `names` the parameter is.
template <class Names>
absl::StatusOr<size_t> Choice(const HttpQuery& query, std::string_view name,
                              const Names& names) {
  const std::string text = query.Get(name).value_or("");
  if (const std::optional<size_t> index = IndexOf(text, names)) return *index;
  return absl::InvalidArgumentError(absl::StrCat(
      std::string(name), " must be ", absl::StrJoin(names, ", "),
      text.empty() ? "" : ", not ", text.empty() ? "" : QuoteParameter(text)));
}

struct ParsedStall {
  StallOrder order;
  int64_t ms = 0;
};

absl::StatusOr<ParsedStall> ParseStall(const std::string& text,
                                       const std::vector<std::string>& loops) {
  const absl::StatusOr<HttpQuery> query =
      HttpQuery::Parse(text, {"reactor", "ms", "how", "connection"});
  if (!query.ok()) return query.status();
  const absl::StatusOr<size_t> loop = Choice(*query, "reactor", loops);
  if (!loop.ok()) return loop.status();
  const absl::StatusOr<int64_t> ms = query->Number("ms", 1, kLongestStall);
  if (!ms.ok()) return ms.status();
  const absl::StatusOr<size_t> how =
      query->Get("how").has_value() ? Choice(*query, "how", kHowNames) : 0;
  if (!how.ok()) return how.status();
  const absl::StatusOr<int64_t> connection =
      query->Get("connection").has_value()
          ? query->Number("connection", 1, INT64_MAX)
          : 0;
  if (!connection.ok()) return connection.status();
  ParsedStall parsed;
  parsed.order.loop = *loop;
  parsed.order.how = static_cast<StallOrder::How>(*how);
  parsed.order.duration = std::chrono::milliseconds(*ms);
  parsed.order.connection = static_cast<uint64_t>(*connection);
  parsed.ms = *ms;
  return parsed;
}

// Held for as long as an order lives.
using Hold = std::shared_ptr<std::atomic<bool>>;

Hold HoldOf(std::shared_ptr<std::atomic<bool>> ordered) {
  std::atomic<bool>* const flag = ordered.get();
  *flag = true;
  return {flag, [kept = std::move(ordered)](std::atomic<bool>* ended) {
            *ended = false;
          }};
}

}  // namespace

StallOrders::StallOrders(std::vector<std::string> loops,
                         std::function<void(StallOrder)> inject)
    : loops_(std::move(loops)), inject_(std::move(inject)) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    ordered_.push_back(std::make_shared<std::atomic<bool>>(false));
  }
}

HttpDeferral StallOrders::Post(const HttpRequest& request, HttpReply reply) {
  const auto answer = [&reply](const HttpResponse& response) {
    reply.Send(response);
    return HttpDeferral{kAnswerLimit, nullptr};
  };
  if (!inject_) {
    return answer(TextResponse(kHttpForbidden,
                               "stalls are not allowed: start weir with "
                               "--allow_stall_injection"));
  }
  absl::StatusOr<ParsedStall> parsed = ParseStall(request.query, loops_);
  if (!parsed.ok()) {
    return answer(
        TextResponse(kHttpBadRequest, std::string(parsed.status().message())));
  }
  StallOrder& order = parsed->order;
  const std::string& loop = loops_[order.loop];
  if (*ordered_[order.loop]) {
    return answer(TextResponse(
        kHttpUnavailable,
        absl::StrCat("a stall is already ordered for reactor ", loop)));
  }
  const Hold hold = HoldOf(ordered_[order.loop]);
  const HttpResponse accepted = JsonResponse(
      kHttpAccepted, {{"reactor", loop},
                      {"ms", parsed->ms},
                      {"how", kHowNames[static_cast<size_t>(order.how)]}});
  if (order.connection == 0) {
    order.begins = [hold](bool) {};
    inject_(std::move(order));
    return answer(accepted);
  }
  const HttpResponse unknown = TextResponse(
      kHttpNotFound,
      absl::StrCat("reactor ", loop, " has no connection ", order.connection));
  order.begins = [hold, reply, accepted, unknown](bool begins) {
    reply.Send(begins ? accepted : unknown);
  };
  inject_(std::move(order));
  return {kAnswerLimit, [loop] {
            return TextResponse(
                kHttpTimeout,
                absl::StrCat("reactor ", loop,
                             " did not answer within 250 ms; it may stall "
                             "later"));
          }};
}

HttpResponse PostLogLevel(const HttpRequest& request,
                          const std::function<void(LogLevel)>& set_level) {
  const absl::StatusOr<HttpQuery> query =
      HttpQuery::Parse(request.query, {"level"});
  const absl::StatusOr<size_t> level =
      query.ok() ? Choice(*query, "level", kLevelNames)
                 : absl::StatusOr<size_t>(query.status());
  if (!level.ok()) {
    return TextResponse(kHttpBadRequest, std::string(level.status().message()));
  }
  set_level(static_cast<LogLevel>(*level));
  return JsonResponse(kHttpOk, {{"level", kLevelNames[*level]}});
}

}  // namespace weir
