// Internal to config. Parses hosts, addresses and ports.

#ifndef PROXY_CONFIG_HOST_PARSER_H_
#define PROXY_CONFIG_HOST_PARSER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proxy/config/spec_text.h"

namespace weir {

struct HostPort {
  std::string host;  // an address literal or a name, no brackets
  uint16_t port = 0;
};

// Every argument is a view into the text of the SpecText, so that errors point
// to the spot. All errors are SpecText::Error.
class HostParser {
 public:
  // `spec` must outlive the parser.
  explicit HostParser(const SpecText& spec) : spec_(spec) {}

  // HOST:PORT or [IP6%ZONE]:PORT.
  absl::StatusOr<HostPort> HostAndPort(std::string_view text) const;

  // An address literal without a port; IPv6 with or without brackets.
  absl::StatusOr<std::string> Address(std::string_view text) const;

  absl::StatusOr<uint16_t> Port(std::string_view text) const;

 private:
  absl::StatusOr<std::string> Host(std::string_view text) const;
  absl::StatusOr<std::string> Ip6(std::string_view text) const;
  absl::Status TooManyColons(std::string_view text) const;

  const SpecText& spec_;
};

// Digits only, at least one.
bool IsNumber(std::string_view text);

// Digits and '-', starting with a digit: a port, or a range of them.
bool LooksLikePort(std::string_view text);

bool StartsWith(std::string_view text, std::string_view beginning);

}  // namespace weir

#endif  // PROXY_CONFIG_HOST_PARSER_H_
