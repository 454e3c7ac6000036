#include "proxy/config/forward_keys.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "proxy/config/suggest.h"
#include "proxy/config/units.h"
#include "reactor/clock.h"

namespace weir {
namespace {

constexpr std::string_view kLaterKeys[] = {
    "lb",           "attempts",       "max",       "backup", "check", "proxy",
    "accept-proxy", "source",         "interface", "mark",   "allow", "deny",
    "delay",        "max-per-source", "rate",      "cut",    "limit", "dump",
    "reset-after",  "blackhole",      "capture",   "mode"};

// What "KEY:off" says, of a key that may be off.
constexpr std::string_view kForEver = "for ever is";
constexpr std::string_view kNone = "none at all is";
constexpr std::string_view kOfTheKernel = "the kernel's own rules are";
constexpr std::string_view kNeverOff = "";

struct TimeKey {
  Duration ForwardSpec::*field;
  std::string_view off;
  Duration least = std::chrono::milliseconds(1);
  Duration most = kLongestDuration;
  Duration step = Duration(1);
};

struct SizeKey {
  int64_t ForwardSpec::*field;
};

struct SwitchKey {
  bool ForwardSpec::*field;
};

struct SpliceKey {};

// Which sockets can obey a key.
enum class Needs {
  kNothing,
  kTcp,  // of either end
  kTcpListener,
};

struct Key {
  std::string_view name;
  Needs needs;
  std::variant<TimeKey, SizeKey, SwitchKey, SpliceKey> value;
};

// Above the kernel's least, and far from where its doubling ends (2 GiB).
constexpr int64_t kLeastBuffer = int64_t{4} << 10;
constexpr int64_t kMostBuffer = int64_t{512} << 20;

constexpr Duration kSecond = std::chrono::seconds(1);

constexpr Key kKeys[] = {
    {"connect", Needs::kNothing,
     TimeKey{&ForwardSpec::connect_timeout, kNeverOff}},
    {"idle", Needs::kNothing, TimeKey{&ForwardSpec::idle_timeout, kForEver}},
    {"life", Needs::kNothing, TimeKey{&ForwardSpec::lifetime, kForEver}},
    {"halfclose", Needs::kNothing,
     TimeKey{&ForwardSpec::half_close_timeout, kNeverOff}},
    {"nodelay", Needs::kTcp, SwitchKey{&ForwardSpec::no_delay}},
    // TCP_KEEPIDLE counts whole seconds, up to 32767.
    {"keepalive", Needs::kTcp,
     TimeKey{&ForwardSpec::keepalive, kNone, kSecond,
             std::chrono::seconds(32767), kSecond}},
    // TCP_USER_TIMEOUT is an int of milliseconds, which ends at 596.5 hours.
    {"user-timeout", Needs::kTcp,
     TimeKey{&ForwardSpec::user_timeout, kOfTheKernel,
             std::chrono::milliseconds(1), std::chrono::hours(596),
             std::chrono::milliseconds(1)}},
    // The kernel counts retransmissions, at most 255.
    {"defer", Needs::kTcpListener,
     TimeKey{&ForwardSpec::defer, kNone, kSecond, std::chrono::hours(1),
             kSecond}},
    {"fastopen", Needs::kTcpListener, SwitchKey{&ForwardSpec::fast_open}},
    {"rcvbuf", Needs::kTcp, SizeKey{&ForwardSpec::receive_buffer}},
    {"sndbuf", Needs::kNothing, SizeKey{&ForwardSpec::send_buffer}},
    {"splice", Needs::kNothing, SpliceKey{}},
};

// "a, b and c", with `last` for " and ".
std::string Enumerate(absl::Span<const std::string_view> names,
                      const char* last) {
  std::string text;
  size_t left = names.size();
  for (const std::string_view name : names) {
    text += name;
    if (--left > 0) text += left == 1 ? last : ", ";
  }
  return text;
}

// Parses the value of one key. It stands in `spec`, behind the ':'; without a
// ':' it is the empty end of the key.
class ValueParser {
 public:
  ValueParser(const SpecText& spec, std::string_view key,
              std::string_view value, bool has_value, ForwardSpec* forward)
      : spec_(spec),
        key_(key),
        value_(value),
        has_value_(has_value),
        forward_(forward) {}

  absl::Status operator()(const TimeKey& key) const {
    if (value_.empty())
      return Wrong(absl::StrCat(" needs a time: ", key_, ":5s"));
    if (value_ == "off") {
      if (key.off.empty()) {
        return Wrong(absl::StrCat(" cannot be off: the most is ",
                                  FormatDuration(key.most)));
      }
      forward_->*key.field = kForever;
      return absl::OkStatus();
    }
    size_t offset = 0;
    const absl::StatusOr<Duration> time = ParseDuration(value_, &offset);
    if (!time.ok()) return Unreadable(time.status(), offset);
    if (*time < key.least) {
      return Wrong(absl::StrCat(" must be at least ", FormatDuration(key.least),
                                key.off.empty()
                                    ? ""
                                    : absl::StrCat("; ", std::string(key.off),
                                                   " written ", key_, ":off")));
    }
    if (*time > key.most) {
      return Wrong(absl::StrCat(" can be at most ", FormatDuration(key.most)));
    }
    if (*time % key.step != Duration(0)) {
      return Wrong(key.step == kSecond ? " counts whole seconds"
                                       : " counts whole milliseconds");
    }
    forward_->*key.field = *time;
    return absl::OkStatus();
  }

  absl::Status operator()(const SizeKey& key) const {
    if (value_.empty()) {
      return Wrong(absl::StrCat(" needs a size: ", key_, ":256KiB"));
    }
    if (absl::ascii_isalpha(static_cast<unsigned char>(value_[0]))) {
      return Wrong(absl::StrCat(
          " is a size, such as 256KiB; the kernel's own is written ", key_,
          ":0"));
    }
    size_t offset = 0;
    const absl::StatusOr<int64_t> size = ParseSize(value_, &offset);
    if (!size.ok()) return Unreadable(size.status(), offset);
    if (*size != 0 && *size < kLeastBuffer) {
      return Wrong(absl::StrCat(" must be at least ", FormatSize(kLeastBuffer),
                                "; 0 leaves it to the kernel"));
    }
    if (*size > kMostBuffer) {
      return Wrong(absl::StrCat(" can be at most ", FormatSize(kMostBuffer)));
    }
    forward_->*key.field = *size;
    return absl::OkStatus();
  }

  absl::Status operator()(const SwitchKey& key) const {
    if (has_value_ && value_ != "on" && value_ != "off") {
      return Wrong(" is on or off");
    }
    forward_->*key.field = value_ != "off";
    return absl::OkStatus();
  }

  absl::Status operator()(const SpliceKey&) const {
    if (!has_value_) {
      forward_->splice = SpliceMode::kOn;
      return absl::OkStatus();
    }
    const auto* const name = std::find(std::begin(kSpliceModeNames),
                                       std::end(kSpliceModeNames), value_);
    if (name == std::end(kSpliceModeNames)) {
      return Wrong(absl::StrCat(" is ", Enumerate(kSpliceModeNames, " or ")));
    }
    forward_->splice =
        static_cast<SpliceMode>(name - std::begin(kSpliceModeNames));
    return absl::OkStatus();
  }

 private:
  absl::Status Wrong(const std::string& what) const {
    return spec_.Error(value_, absl::StrCat(key_, what));
  }
  absl::Status Unreadable(const absl::Status& why, size_t offset) const {
    return spec_.Error(value_.substr(offset), std::string(why.message()));
  }

  const SpecText& spec_;
  const std::string key_;
  const std::string_view value_;
  const bool has_value_;
  ForwardSpec* const forward_;
};

// Writes the value of one key.
class ValueWriter {
 public:
  explicit ValueWriter(const ForwardSpec& forward) : forward_(forward) {}

  std::string operator()(const TimeKey& key) const {
    return FormatDuration(forward_.*key.field);
  }
  std::string operator()(const SizeKey& key) const {
    return FormatSize(forward_.*key.field);
  }
  std::string operator()(const SwitchKey& key) const {
    return forward_.*key.field ? "on" : "off";
  }
  std::string operator()(const SpliceKey&) const {
    return std::string(kSpliceModeNames[static_cast<size_t>(forward_.splice)]);
  }

 private:
  const ForwardSpec& forward_;
};

// A key that no socket of this forward can obey.
absl::Status CheckSockets(const SpecText& spec, std::string_view name,
                          Needs needs, const ForwardSpec& forward) {
  const bool unix_listener = forward.listen.kind == ListenSpec::Kind::kUnix;
  const bool unix_target = forward.target.kind == TargetSpec::Kind::kUnix;
  if (needs == Needs::kTcpListener && unix_listener) {
    return spec.Error(name,
                      absl::StrCat(std::string(name),
                                   " is of TCP listeners, and this one is a "
                                   "unix socket; leave it out"));
  }
  if (needs == Needs::kTcp && unix_listener && unix_target) {
    return spec.Error(
        name, absl::StrCat(
                  std::string(name),
                  " is of TCP, and both ends are unix sockets; leave it out"));
  }
  return absl::OkStatus();
}

absl::Status ParseKey(const SpecText& spec, std::string_view name,
                      std::string_view value, bool has_value,
                      ForwardSpec* forward) {
  for (const Key& key : kKeys) {
    if (key.name != name) continue;
    const absl::Status fits = CheckSockets(spec, name, key.needs, *forward);
    if (!fits.ok()) return fits;
    return std::visit(ValueParser(spec, name, value, has_value, forward),
                      key.value);
  }
  if (std::find(std::begin(kLaterKeys), std::end(kLaterKeys), name) !=
      std::end(kLaterKeys)) {
    return spec.Error(
        name, absl::StrCat("key ", Quote(name), " is not supported yet"));
  }
  std::vector<std::string_view> names;
  for (const Key& key : kKeys) names.push_back(key.name);
  const std::string hint = DidYouMean(name, names);
  return spec.Error(
      name, absl::StrCat("unknown key ", Quote(name),
                         hint.empty() ? absl::StrCat("; the keys are ",
                                                     Enumerate(names, " and "))
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

std::vector<std::pair<std::string, std::string>> ForwardKeyValues(
    const ForwardSpec& forward) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const Key& key : kKeys) {
    values.emplace_back(std::string(key.name),
                        std::visit(ValueWriter(forward), key.value));
  }
  return values;
}

}  // namespace weir
