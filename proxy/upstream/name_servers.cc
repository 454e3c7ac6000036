#include "proxy/upstream/name_servers.h"

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "reactor/address.h"

namespace weir {
namespace {

// ADDRESS[:PORT]; port 0 when there is none. c-ares' own parser takes texts
// that are no server, and not all that are.
std::optional<Address> ParseServer(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  const size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else if (colon != std::string_view::npos && colon == text.find(':')) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  int number = 0;
  if (!port.empty()) {
    if (!absl::SimpleAtoi(absl::string_view(port.data() + 1, port.size() - 1),
                          &number)) {
      return std::nullopt;
    }
    if (port[0] != ':' || number <= 0 || number > UINT16_MAX) {
      return std::nullopt;
    }
  }
  absl::StatusOr<Address> address =
      ParseIpAddress(host, static_cast<uint16_t>(number));
  if (!address.ok()) return std::nullopt;
  return *std::move(address);
}

ares_addr_port_node ToNode(const Address& server) {
  ares_addr_port_node node{};
  node.family = server.family();
  node.udp_port = node.tcp_port = server.port();
  if (server.family() == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, server.data(), sizeof(v4));
    std::memcpy(&node.addr, &v4.sin_addr, sizeof(v4.sin_addr));
  } else {
    sockaddr_in6 v6;
    std::memcpy(&v6, server.data(), sizeof(v6));
    std::memcpy(&node.addr, &v6.sin6_addr, sizeof(v6.sin6_addr));
  }
  return node;
}

}  // namespace

absl::Status SetNameServers(const std::string& text, ares_channel channel) {
  std::vector<ares_addr_port_node> nodes;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::optional<Address> server =
        ParseServer({part.data(), part.size()});
    if (!server.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "not a list of name servers (ADDRESS[:PORT],...): ", text));
    }
    nodes.push_back(ToNode(*server));
  }
  for (size_t i = 1; i < nodes.size(); ++i) nodes[i - 1].next = &nodes[i];
  const int status = ares_set_servers_ports(channel, nodes.data());
  if (status == ARES_SUCCESS) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("cannot set name servers: ", ares_strerror(status)));
}

}  // namespace weir
