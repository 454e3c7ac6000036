#include "proxy/observe/admin_loops.h"

#include <cstddef>
#include <string_view>
#include <utility>

#include "proxy/observe/admin_status.h"
#include "reactor/callback_kind.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

std::string_view PhaseName(LoopActivity::Phase phase) {
  switch (phase) {
    case LoopActivity::Phase::kStopped:
      return "stopped";
    case LoopActivity::Phase::kPolling:
      return "polling";
    case LoopActivity::Phase::kBusy:
      return "busy";
  }
  return "";
}

}  // namespace

AdminLoops::AdminLoops(const ProcessFacts* facts, std::vector<LoopSource> loops,
                       StackNames names, Clock* clock)
    : facts_(facts),
      loops_(std::move(loops)),
      names_of_(std::move(names)),
      clock_(clock),
      names_(loops_.size()) {}

Json AdminLoops::Get() {
  Json loops = Json::array();
  for (size_t i = 0; i < loops_.size(); ++i) {
    loops.push_back(LoopJson(loops_[i], &names_[i]));
  }
  return {{"time_seconds", JsonWallTime(clock_)},
          {"stall_threshold_seconds", JsonSeconds(facts_->stall_threshold)},
          {"reactors", std::move(loops)}};
}

Json AdminLoops::LoopJson(const LoopSource& loop, Names* names) const {
  const LoopActivity activity =
      loop.activity ? loop.activity() : LoopActivity();
  const bool busy = activity.phase == LoopActivity::Phase::kBusy;
  const Names old = std::exchange(*names, {});
  Json stalls = Json::array();
  for (const Stall& stall :
       loop.stalls ? loop.stalls() : std::vector<Stall>()) {
    stalls.push_back(StallJson(stall, old, names));
  }
  return {{"reactor", loop.name},
          {"phase", PhaseName(activity.phase)},
          {"age_seconds", JsonSeconds(activity.age)},
          {"current", busy ? CurrentJson(activity) : Json(nullptr)},
          {"stalls", std::move(stalls)}};
}

Json AdminLoops::CurrentJson(const LoopActivity& activity) const {
  Json json = {{"kind", CallbackKindName(activity.kind)}};
  AddSubject(activity.subject, &json);
  json["seconds"] = JsonSeconds(activity.running);
  json["cause"] = activity.cause.has_value()
                      ? Json(StallCauseName(*activity.cause))
                      : Json(nullptr);
  json["stack"] = NamesOf(activity.stack);
  return json;
}

Json AdminLoops::StallJson(const Stall& stall, const Names& old,
                           Names* names) const {
  // Its begin on the wall's clock, as far as that was not set since.
  const Duration ago = clock_->Now() - stall.begin;
  Json json = {
      {"number", stall.number},
      {"time_seconds", JsonSeconds(Duration(clock_->WallNanos()) - ago)},
      {"seconds", JsonSeconds(stall.duration)},
      {"kind", stall.kind.has_value() ? CallbackKindName(*stall.kind)
                                      : kIterationName}};
  AddSubject(stall.subject, &json);
  json["cause"] = StallCauseName(stall.cause);
  json["cpu_seconds"] = JsonSeconds(stall.cpu);
  json["run_delay_seconds"] = JsonSeconds(stall.run_delay);
  const auto known = old.find(stall.number);
  json["stack"] =
      names
          ->emplace(stall.number,
                    known != old.end() ? known->second : NamesOf(stall.stack))
          .first->second;
  return json;
}

void AdminLoops::AddSubject(const Subject& subject, Json* json) const {
  const bool known = subject.forward < facts_->forwards.size();
  (*json)["forward"] =
      known ? Json(facts_->forwards[subject.forward].name) : Json(nullptr);
  (*json)["connection"] =
      subject.connection != 0 ? Json(subject.connection) : Json(nullptr);
}

std::vector<std::string> AdminLoops::NamesOf(
    const decltype(Stall::stack)& stack) const {
  if (!names_of_ || stack.empty()) return {};
  return names_of_(stack);
}

}  // namespace weir
