#include "proxy/config/forward_conflicts.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "proxy/config/forward_parser.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/spec_text.h"

namespace weir {
namespace {

// One address to listen on or to connect to, in a form that compares.
struct Place {
  enum class Kind { kIp4, kIp6, kName, kUnix };
  Kind kind;
  std::string address;  // bytes (and a zone), a name in small letters, a path
  uint16_t port = 0;
  bool wildcard = false;  // listening: every address of the family
  bool loopback = false;  // an address that only this machine answers on
};

Place Ip4(const in_addr& address, uint16_t port) {
  Place place{
      Place::Kind::kIp4,
      std::string(reinterpret_cast<const char*>(&address), sizeof(address)),
      port};
  place.wildcard = address.s_addr == htonl(INADDR_ANY);
  place.loopback = (ntohl(address.s_addr) >> 24) == 127;
  return place;
}

Place Ip6(const in6_addr& address, std::string_view zone, uint16_t port) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    in_addr mapped;
    std::memcpy(&mapped, address.s6_addr + 12, sizeof(mapped));
    return Ip4(mapped, port);
  }
  Place place{
      Place::Kind::kIp6,
      std::string(reinterpret_cast<const char*>(&address), sizeof(address)) +
          std::string(zone),
      port};
  place.wildcard = IN6_IS_ADDR_UNSPECIFIED(&address);
  place.loopback = IN6_IS_ADDR_LOOPBACK(&address);
  return place;
}

Place Unix(const std::string& path) {
  const bool abstract = path[0] == '@';
  return Place{
      Place::Kind::kUnix,
      abstract ? path : std::filesystem::path(path).lexically_normal().string(),
      0};
}

Place Loopback4(uint16_t port) {
  return Ip4(in_addr{htonl(INADDR_LOOPBACK)}, port);
}

Place Loopback6(uint16_t port) { return Ip6(in6addr_loopback, "", port); }

std::vector<Place> HostPlaces(const std::string& host, uint16_t port) {
  in_addr ip4;
  if (inet_pton(AF_INET, host.c_str(), &ip4) == 1) return {Ip4(ip4, port)};
  const size_t zone = std::min(host.find('%'), host.size());
  in6_addr ip6;
  if (inet_pton(AF_INET6, host.substr(0, zone).c_str(), &ip6) == 1) {
    return {Ip6(ip6, host.substr(zone), port)};
  }
  const std::string name = absl::AsciiStrToLower(host);
  if (name == "localhost") return {Loopback4(port), Loopback6(port)};
  return {Place{Place::Kind::kName, name, port}};
}

std::vector<Place> PlacesOf(const ListenSpec& listen) {
  switch (listen.kind) {
    case ListenSpec::Kind::kLoopback:
      return {Loopback4(listen.port), Loopback6(listen.port)};
    case ListenSpec::Kind::kAny:
      return {Ip4(in_addr{htonl(INADDR_ANY)}, listen.port),
              Ip6(in6addr_any, "", listen.port)};
    case ListenSpec::Kind::kHostPort:
      return HostPlaces(listen.host, listen.port);
    case ListenSpec::Kind::kUnix:
      break;
  }
  return {Unix(listen.path)};
}

std::vector<Place> PlacesOf(const TargetSpec& target) {
  if (target.kind == TargetSpec::Kind::kUnix) return {Unix(target.path)};
  std::vector<Place> places = HostPlaces(target.host, target.port);
  // Linux connects the unspecified address to loopback.
  for (Place& place : places) {
    if (!place.wildcard) continue;
    place = place.kind == Place::Kind::kIp4 ? Loopback4(target.port)
                                            : Loopback6(target.port);
  }
  return places;
}

bool SamePort(const Place& a, const Place& b) {
  // Port 0 is chosen by the kernel, a different one each time.
  return a.kind == b.kind &&
         (a.kind == Place::Kind::kUnix || (a.port == b.port && a.port != 0));
}

// Whether both cannot be listened on at once.
bool Collide(const Place& a, const Place& b) {
  return SamePort(a, b) && (a.wildcard || b.wildcard || a.address == b.address);
}

// Whether a connection to `target` arrives at `listener`.
bool Arrives(const Place& target, const Place& listener) {
  return SamePort(target, listener) && (target.address == listener.address ||
                                        (listener.wildcard && target.loopback));
}

template <typename Relation>
bool AnyPair(const std::vector<Place>& a, const std::vector<Place>& b,
             Relation relation) {
  return std::any_of(a.begin(), a.end(), [&](const Place& x) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Place& y) { return relation(x, y); });
  });
}

absl::Status Error(const ParsedForward& forward, size_t offset,
                   const std::string& message) {
  const SpecText spec(forward.spec.text);
  const std::string& place = forward.spec.place;
  return spec.Error(spec.text().substr(offset),
                    place.empty() ? message : place + ": " + message);
}

// Follows targets to listeners, depth first, and finds a way back.
class LoopFinder {
 public:
  explicit LoopFinder(absl::Span<const ParsedForward> forwards)
      : forwards_(forwards), state_(forwards.size(), State::kUnseen) {
    for (const ParsedForward& forward : forwards) {
      listeners_.push_back(PlacesOf(forward.spec.listen));
      targets_.push_back(PlacesOf(forward.spec.target));
    }
  }

  absl::Status Check() {
    for (size_t i = 0; i < forwards_.size(); ++i) {
      const absl::Status status = Visit(i);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  enum class State { kUnseen, kOnPath, kDone };

  absl::Status Visit(size_t i) {
    if (state_[i] == State::kDone) return absl::OkStatus();
    if (state_[i] == State::kOnPath) return Loop(i);
    state_[i] = State::kOnPath;
    path_.push_back(i);
    for (size_t j = 0; j < forwards_.size(); ++j) {
      if (!AnyPair(targets_[i], listeners_[j], Arrives)) continue;
      const absl::Status status = Visit(j);
      if (!status.ok()) return status;
    }
    path_.pop_back();
    state_[i] = State::kDone;
    return absl::OkStatus();
  }

  absl::Status Loop(size_t start) const {
    const ParsedForward& forward = forwards_[start];
    if (path_.back() == start) {
      return Error(forward, forward.target,
                   absl::StrCat(forward.spec.name,
                                " would connect to itself: its target is where "
                                "it listens"));
    }
    std::string way;
    for (auto i = std::find(path_.begin(), path_.end(), start);
         i != path_.end(); ++i) {
      absl::StrAppend(&way, forwards_[*i].spec.name, " -> ");
    }
    return Error(forward, forward.target,
                 absl::StrCat("these forwards lead in a circle: ", way,
                              forward.spec.name));
  }

  absl::Span<const ParsedForward> forwards_;
  std::vector<std::vector<Place>> listeners_;
  std::vector<std::vector<Place>> targets_;
  std::vector<State> state_;
  std::vector<size_t> path_;
};

}  // namespace

bool ListenersCollide(const ListenSpec& a, const ListenSpec& b) {
  return AnyPair(PlacesOf(a), PlacesOf(b), Collide);
}

absl::Status CheckConflicts(absl::Span<const ParsedForward> forwards) {
  std::vector<std::vector<Place>> listeners;
  std::map<std::string, const ForwardSpec*> names;
  for (const ParsedForward& forward : forwards) {
    std::vector<Place> places = PlacesOf(forward.spec.listen);
    for (size_t i = 0; i < listeners.size(); ++i) {
      if (!AnyPair(places, listeners[i], Collide)) continue;
      return Error(forward, forward.listen,
                   absl::StrCat("another forward listens there already: ",
                                forwards[i].spec.Written()));
    }
    listeners.push_back(std::move(places));
    const auto [other, inserted] =
        names.emplace(forward.spec.name, &forward.spec);
    if (!inserted) {
      return Error(forward, forward.name,
                   absl::StrCat("another forward is named ", forward.spec.name,
                                " (", other->second->Written(),
                                "): put a name of its own in front, NAME@"));
    }
  }
  return LoopFinder(forwards).Check();
}

}  // namespace weir
