#include "proxy/config/forward_parser.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proxy/config/endpoint_parser.h"
#include "proxy/config/forward_keys.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/host_parser.h"
#include "proxy/config/spec_text.h"

namespace weir {
namespace {

constexpr size_t kLongestName = 32;

bool IsNameCharacter(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' ||
         c == '-';
}

absl::Status CheckName(const SpecText& spec, std::string_view name) {
  if (name.empty()) return spec.Error(name, "a name must stand before '@'");
  if (name.find('/') != std::string_view::npos) {
    return spec.Error(name.substr(name.size()), "in a path '@' is written %40");
  }
  if (!absl::ascii_islower(name[0])) {
    return spec.Error(name, "a name starts with a letter from a to z");
  }
  const auto odd = std::find_if_not(name.begin(), name.end(), IsNameCharacter);
  if (odd != name.end()) {
    return spec.Error(name.substr(static_cast<size_t>(odd - name.begin())),
                      "a name has only a to z, 0 to 9, '_' and '-'");
  }
  if (name.size() > kLongestName) {
    return spec.Error(name.substr(kLongestName),
                      "a name has at most 32 characters");
  }
  if (name == "admin" || name == "probes") {
    return spec.Error(
        name, absl::StrCat("the name ", std::string(name), " belongs to the ",
                           std::string(name), " port"));
  }
  return absl::OkStatus();
}

// p5432, or for /tmp/.s.PGSQL.5432 s-pgsql-5432.
std::string DefaultName(const ListenSpec& listen) {
  if (listen.kind != ListenSpec::Kind::kUnix) {
    return absl::StrCat("p", listen.port);
  }
  const std::string& path = listen.path;
  std::string name;
  for (size_t i = path.rfind('/') + 1; i < path.size(); ++i) {
    const char c = absl::ascii_tolower(path[i]);
    if (IsNameCharacter(c)) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  if (name.empty() || !absl::ascii_islower(name[0])) name.insert(0, "u");
  name.resize(std::min(name.size(), kLongestName));
  while (name.back() == '-') name.pop_back();
  return name == "admin" ? "uadmin" : name;
}

// The colons of `text` that do not stand in brackets.
std::vector<size_t> Colons(std::string_view text) {
  std::vector<size_t> colons;
  bool bracketed = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') bracketed = true;
    if (text[i] == ']') bracketed = false;
    if (text[i] == ':' && !bracketed) colons.push_back(i);
  }
  return colons;
}

// A form without '=' that is not ssh's: says what is missing.
absl::Status NoEqualSign(const SpecText& spec, std::string_view text,
                         const std::vector<size_t>& colons) {
  const std::string whole(text);
  if (colons.empty()) {
    if (LooksLikePort(text)) {
      return spec.Error(
          text.substr(text.size()),
          absl::StrCat("where to connect is missing: ", whole, "=HOST:PORT"));
    }
    return spec.Error(text, "a forward is LISTEN=TARGET, such as 5432=db:5432");
  }
  const std::string_view first = text.substr(0, colons[0]);
  const std::string_view rest = text.substr(colons[0] + 1);
  if (IsNumber(first) && (colons.size() == 1 || LooksLikeUnix(rest))) {
    return spec.Error(text.substr(colons[0]),
                      absl::StrCat("'=' stands between the two ends: ",
                                   std::string(first), "=", std::string(rest)));
  }
  if (colons.size() == 1 && IsNumber(rest)) {
    return spec.Error(text, absl::StrCat("where to listen is missing: ",
                                         std::string(rest), "=", whole));
  }
  return spec.Error(
      text,
      "without '=' it is ssh's form, [bind:]port:host:hostport; IPv6 addresses "
      "take brackets");
}

// [bind:]port:host:hostport. As in ssh, an empty bind or '*' is every
// interface.
absl::Status ParseSshForm(const SpecText& spec, std::string_view text,
                          ParsedForward* forward) {
  const EndpointParser parser(spec);
  const std::vector<size_t> colons = Colons(text);
  if (LooksLikeUnix(text) || colons.size() < 2 || colons.size() > 3 ||
      LooksLikeUnix(text.substr(colons[0] + 1))) {
    return NoEqualSign(spec, text, colons);
  }
  const bool has_bind = colons.size() == 3;
  const std::string_view listen = text.substr(0, colons[has_bind ? 1 : 0]);
  const std::string_view port =
      has_bind ? listen.substr(colons[0] + 1) : listen;
  const absl::StatusOr<uint16_t> number = HostParser(spec).Port(port);
  if (!number.ok()) return number.status();
  const std::string_view bind = has_bind ? text.substr(0, colons[0]) : "";
  if (has_bind && (bind.empty() || bind == "*")) {
    forward->spec.listen.kind = ListenSpec::Kind::kAny;
    forward->spec.listen.port = *number;
  } else {
    absl::StatusOr<ListenSpec> parsed = parser.Listen(listen);
    if (!parsed.ok()) return parsed.status();
    forward->spec.listen = *parsed;
  }
  const std::string_view target = text.substr(listen.size() + 1);
  absl::StatusOr<TargetSpec> parsed = parser.Target(target);
  if (!parsed.ok()) return parsed.status();
  forward->spec.target = *parsed;
  forward->target = spec.Before(target).size();
  return absl::OkStatus();
}

absl::Status ParseEnds(const SpecText& spec, std::string_view ends,
                       std::string_view keys, ParsedForward* forward) {
  const size_t equals = ends.find('=');
  if (equals == std::string_view::npos) {
    if (const size_t late = keys.find('='); late != std::string_view::npos) {
      return spec.Error(keys,
                        "'+' starts a key, and keys come after the target; in "
                        "a path '+' is written %2B");
    }
    return ParseSshForm(spec, ends, forward);
  }
  const std::string_view target = ends.substr(equals + 1);
  if (const size_t second = target.find('=');
      second != std::string_view::npos) {
    return spec.Error(target.substr(second),
                      "a second '='; in a path '=' is written %3D");
  }
  const EndpointParser parser(spec);
  absl::StatusOr<ListenSpec> listen = parser.Listen(ends.substr(0, equals));
  if (!listen.ok()) return listen.status();
  forward->spec.listen = *listen;
  absl::StatusOr<TargetSpec> parsed = parser.Target(target);
  if (!parsed.ok()) return parsed.status();
  forward->spec.target = *parsed;
  forward->target = spec.Before(target).size();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ParsedForward> ParseOneForward(std::string_view text) {
  const SpecText spec(text);
  ParsedForward forward;
  forward.spec.text = std::string(text);
  if (text.empty()) return spec.Error(text, "an empty forward");

  const size_t plus = std::min(text.find('+'), text.size());
  const std::string_view keys = text.substr(plus);
  std::string_view ends = text.substr(0, plus);
  // The '@' of a name stands on the listen side; that of unix:@abstract is
  // none.
  const size_t at = ends.substr(0, ends.find('=')).find('@');
  std::string_view name;
  if (at != std::string_view::npos && ends.substr(0, at) != "unix:") {
    name = ends.substr(0, at);
    const absl::Status valid = CheckName(spec, name);
    if (!valid.ok()) return valid;
    ends.remove_prefix(at + 1);
  }
  forward.listen = spec.Before(ends).size();
  absl::Status status = ParseEnds(spec, ends, keys, &forward);
  if (!status.ok()) return status;
  forward.spec.name =
      name.empty() ? DefaultName(forward.spec.listen) : std::string(name);
  status = ParseForwardKeys(spec, keys, &forward.spec);
  if (!status.ok()) return status;
  return forward;
}

}  // namespace weir
