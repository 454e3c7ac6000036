#include "proxy/config/forward_keys.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/spec_text.h"
#include "proxy/config/suggest.h"
#include "proxy/config/units.h"
#include "reactor/clock.h"

namespace weir {
namespace {

constexpr std::string_view kKnownKeys[] = {"connect",   "idle",    "life",
                                           "halfclose", "nodelay", "keepalive"};

constexpr std::string_view kLaterKeys[] = {
    "lb",     "attempts",       "max",          "backup", "check",
    "proxy",  "accept-proxy",   "user-timeout", "defer",  "fastopen",
    "splice", "source",         "interface",    "mark",   "allow",
    "deny",   "max-per-source", "delay",        "rate",   "cut",
    "limit",  "reset-after",    "blackhole",    "dump",   "capture",
    "mode"};

struct TimeKey {
  std::string_view name;
  Duration ForwardSpec::*field;
  bool may_be_off;
  Duration least;
  Duration most;
};

// TCP_KEEPIDLE counts whole seconds, up to 32767.
constexpr TimeKey kTimeKeys[] = {
    {"connect", &ForwardSpec::connect_timeout, false,
     std::chrono::milliseconds(1), kLongestDuration},
    {"idle", &ForwardSpec::idle_timeout, true, std::chrono::milliseconds(1),
     kLongestDuration},
    {"life", &ForwardSpec::lifetime, true, std::chrono::milliseconds(1),
     kLongestDuration},
    {"halfclose", &ForwardSpec::half_close_timeout, false,
     std::chrono::milliseconds(1), kLongestDuration},
    {"keepalive", &ForwardSpec::keepalive, true, std::chrono::seconds(1),
     std::chrono::seconds(32767)},
};

absl::Status ParseTime(const SpecText& spec, const TimeKey& key,
                       std::string_view value, ForwardSpec* forward) {
  if (value == "off") {
    if (!key.may_be_off) {
      return spec.Error(value, absl::StrCat(std::string(key.name),
                                            " cannot be off: the most is ",
                                            FormatDuration(key.most)));
    }
    forward->*key.field = kForever;
    return absl::OkStatus();
  }
  size_t offset = 0;
  const absl::StatusOr<Duration> time = ParseDuration(value, &offset);
  if (!time.ok()) {
    return spec.Error(value.substr(offset),
                      std::string(time.status().message()));
  }
  if (*time < key.least) {
    return spec.Error(
        value, absl::StrCat(std::string(key.name), " must be at least ",
                            FormatDuration(key.least),
                            key.may_be_off
                                ? absl::StrCat("; for ever is written ",
                                               std::string(key.name), ":off")
                                : ""));
  }
  if (*time > key.most) {
    return spec.Error(value,
                      absl::StrCat(std::string(key.name), " can be at most ",
                                   FormatDuration(key.most)));
  }
  if (key.name == "keepalive" &&
      *time % std::chrono::seconds(1) != Duration(0)) {
    return spec.Error(value, "keepalive counts whole seconds");
  }
  forward->*key.field = *time;
  return absl::OkStatus();
}

// `value` follows the ':' of `key`; with no ':' it is the empty end of the key.
absl::Status ParseKey(const SpecText& spec, std::string_view key,
                      std::string_view value, bool has_value,
                      ForwardSpec* forward) {
  if (key == "nodelay") {
    if (has_value && value != "on" && value != "off") {
      return spec.Error(value, "nodelay is on or off");
    }
    forward->no_delay = value != "off";
    return absl::OkStatus();
  }
  for (const TimeKey& time : kTimeKeys) {
    if (time.name != key) continue;
    if (value.empty()) {
      return spec.Error(value, absl::StrCat(std::string(key), " needs a time: ",
                                            std::string(key), ":5s"));
    }
    return ParseTime(spec, time, value, forward);
  }
  if (std::find(std::begin(kLaterKeys), std::end(kLaterKeys), key) !=
      std::end(kLaterKeys)) {
    return spec.Error(
        key, absl::StrCat("key ", Quote(key), " is not supported yet"));
  }
  const std::string hint = DidYouMean(key, kKnownKeys);
  return spec.Error(
      key, absl::StrCat("unknown key ", Quote(key),
                        hint.empty() ? "; the keys are connect, idle, life, "
                                       "halfclose, nodelay and keepalive"
                                     : hint));
}

}  // namespace

absl::Status ParseForwardKeys(const SpecText& spec, std::string_view keys,
                              ForwardSpec* forward) {
  std::set<std::string_view> seen;
  while (!keys.empty()) {
    keys.remove_prefix(1);  // the '+'
    const size_t end = std::min(keys.find('+'), keys.size());
    const std::string_view item = keys.substr(0, end);
    const size_t colon = std::min(item.find(':'), item.size());
    const std::string_view key = item.substr(0, colon);
    const bool has_value = colon < item.size();
    const std::string_view value = item.substr(colon + (has_value ? 1 : 0));
    if (key.empty()) {
      return spec.Error(key,
                        "a key must follow '+'; in a path '+' is written %2B");
    }
    const absl::Status status = ParseKey(spec, key, value, has_value, forward);
    if (!status.ok()) return status;
    if (!seen.insert(key).second) {
      return spec.Error(key, absl::StrCat(std::string(key), " is given twice"));
    }
    keys.remove_prefix(end);
  }
  return absl::OkStatus();
}

}  // namespace weir
