#include "proxy/relay/session_log.h"

#include <chrono>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace weir {
namespace {

// At most three digits that mean something. (9.995 is rounded to 10.0.)
std::string ThreeDigits(double value) {
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return absl::StrFormat("%.*f", decimals, value);
}

std::string Name(const Session& session) {
  return absl::StrCat(session.forward().spec->name, "#", session.id());
}

// "db1:5432 (10.0.0.5)"; the address only where it says more than the target.
std::string TargetText(const Session& session) {
  std::string text = session.forward().spec->target.text;
  const Address* address = session.connector().address();
  if (address == nullptr || !address->is_ip()) return text;
  const std::string host = address->HostText();
  if (host != session.forward().spec->target.host) {
    absl::StrAppend(&text, " (", host, ")");
  }
  return text;
}

}  // namespace

std::string ShortDuration(Duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  // What would be rounded to a thousand is shown in the next unit.
  if (seconds < 999.5e-6) return absl::StrFormat("%.0fus", seconds * 1e6);
  if (seconds < 999.5e-3) return ThreeDigits(seconds * 1e3) + "ms";
  if (seconds < 59.95) return ThreeDigits(seconds) + "s";
  const auto whole = static_cast<int64_t>(std::round(seconds));
  if (whole < 3600) {
    return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
  }
  return absl::StrFormat("%dh%02dm", whole / 3600, whole / 60 % 60);
}

std::string ShortSize(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, "B");
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 999.5) break;
    value /= 1024;
    unit = next;
  }
  return ThreeDigits(value) + unit;
}

std::string OpenLine(const Session& session, MonoTime now, size_t reactor) {
  return absl::StrCat(Name(session), " open ", session.client_name().ToString(),
                      " -> ", TargetText(session), " ",
                      ShortDuration(now - session.opened_at()), " r", reactor);
}

std::string CloseLine(const Session& session, MonoTime now,
                      CloseReason reason) {
  const std::string_view text = CloseReasonName(reason);
  return absl::StrCat(Name(session), " close ",
                      ShortDuration(now - session.opened_at()), " up ",
                      ShortSize(session.bytes_up()), " down ",
                      ShortSize(session.bytes_down()), " ",
                      absl::string_view(text.data(), text.size()));
}

std::string ConnectFailedLine(const Session& session) {
  const ForwardSpec& spec = *session.forward().spec;
  const AddressList& list = *session.forward().addresses;
  if (session.stage() == Stage::kWaiting) {
    return absl::StrCat(spec.name, ": cannot resolve ", spec.target.host, ": ",
                        list.error.empty()
                            ? "no answer from the name servers in time"
                            : list.error);
  }
  return absl::StrCat(spec.name, ": cannot connect to ", TargetText(session),
                      ": ", std::strerror(session.connector().error()));
}

}  // namespace weir
