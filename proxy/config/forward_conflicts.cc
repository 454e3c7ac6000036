#include "proxy/config/forward_conflicts.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
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

// Who listens where, among forwards that are numbered in their order.
class Listeners {
 public:
  void Add(const std::vector<Place>& places, size_t forward) {
    for (const Place& place : places) {
      Port& port =
          ports_.try_emplace(KeyOf(place), Port{forward}).first->second;
      port.addresses.emplace(place.address, forward);
      if (place.wildcard) port.wildcard = forward;
    }
  }

  // The first one beside which nobody can listen at `places`.
  std::optional<size_t> Collision(const std::vector<Place>& places) const {
    std::optional<size_t> first;
    for (const Place& place : places) {
      const std::optional<size_t> other = Collision(place);
      if (other && (!first || *other < *first)) first = other;
    }
    return first;
  }

  // Those at which a connection to `targets` may arrive, in their order. None
  // collides with another.
  absl::btree_set<size_t> Arrivals(const std::vector<Place>& targets) const {
    absl::btree_set<size_t> arrivals;
    for (const Place& target : targets) {
      const Port* const port = Find(target);
      if (port == nullptr) continue;
      if (const auto at = port->addresses.find(target.address);
          at != port->addresses.end()) {
        arrivals.insert(at->second);
      } else if (target.loopback && port->wildcard) {
        arrivals.insert(*port->wildcard);
      }
    }
    return arrivals;
  }

 private:
  using Key = std::pair<Place::Kind, uint16_t>;
  struct Port {
    size_t first;
    std::optional<size_t> wildcard;
    absl::flat_hash_map<std::string, size_t> addresses;
  };

  static Key KeyOf(const Place& place) { return {place.kind, place.port}; }

  // Null when nobody listens there.
  const Port* Find(const Place& place) const {
    // Port 0 is chosen by the kernel, a different one each time.
    if (place.port == 0 && place.kind != Place::Kind::kUnix) return nullptr;
    const auto port = ports_.find(KeyOf(place));
    return port == ports_.end() ? nullptr : &port->second;
  }

  std::optional<size_t> Collision(const Place& place) const {
    const Port* const port = Find(place);
    if (port == nullptr) return std::nullopt;
    if (place.wildcard) return port->first;
    const auto at = port->addresses.find(place.address);
    return at == port->addresses.end() ? port->wildcard : at->second;
  }

  absl::flat_hash_map<Key, Port> ports_;
};

absl::Status Error(const ParsedForward& forward, size_t offset,
                   const std::string& message) {
  const SpecText spec(forward.spec.text);
  const std::string& place = forward.spec.place;
  return spec.Error(spec.text().substr(offset),
                    place.empty() ? message : place + ": " + message);
}

// Follows targets to listeners, depth first, and finds a way back. (Without
// recursion: a way may be as long as a file has forwards.)
class LoopFinder {
 public:
  LoopFinder(absl::Span<const ParsedForward> forwards,
             const Listeners& listeners)
      : forwards_(forwards),
        listeners_(listeners),
        state_(forwards.size(), State::kUnseen) {}

  absl::Status Check() {
    for (size_t i = 0; i < forwards_.size(); ++i) {
      if (state_[i] == State::kUnseen) Enter(i);
      while (!path_.empty()) {
        Step& step = path_.back();
        if (step.untried.empty()) {
          state_[step.forward] = State::kDone;
          path_.pop_back();
          continue;
        }
        const size_t next = *step.untried.begin();
        step.untried.erase(step.untried.begin());
        if (state_[next] == State::kOnPath) return Loop(next);
        if (state_[next] == State::kUnseen) Enter(next);
      }
    }
    return absl::OkStatus();
  }

 private:
  enum class State { kUnseen, kOnPath, kDone };
  struct Step {
    size_t forward;
    absl::btree_set<size_t> untried;  // where it leads
  };

  void Enter(size_t i) {
    state_[i] = State::kOnPath;
    path_.push_back(
        {i, listeners_.Arrivals(PlacesOf(forwards_[i].spec.target))});
  }

  absl::Status Loop(size_t start) const {
    const ParsedForward& forward = forwards_[start];
    if (path_.back().forward == start) {
      return Error(forward, forward.target,
                   absl::StrCat(forward.spec.name,
                                " would connect to itself: its target is where "
                                "it listens"));
    }
    std::string way;
    for (auto i = std::find_if(
             path_.begin(), path_.end(),
             [start](const Step& step) { return step.forward == start; });
         i != path_.end(); ++i) {
      absl::StrAppend(&way, forwards_[i->forward].spec.name, " -> ");
    }
    return Error(forward, forward.target,
                 absl::StrCat("these forwards lead in a circle: ", way,
                              forward.spec.name));
  }

  const absl::Span<const ParsedForward> forwards_;
  const Listeners& listeners_;
  std::vector<State> state_;
  std::vector<Step> path_;
};

}  // namespace

bool ListenersCollide(const ListenSpec& a, const ListenSpec& b) {
  Listeners listeners;
  listeners.Add(PlacesOf(a), 0);
  return listeners.Collision(PlacesOf(b)).has_value();
}

absl::Status CheckConflicts(absl::Span<const ParsedForward> forwards) {
  Listeners listeners;
  absl::flat_hash_map<std::string_view, const ForwardSpec*> names;
  for (size_t i = 0; i < forwards.size(); ++i) {
    const ParsedForward& forward = forwards[i];
    const std::vector<Place> places = PlacesOf(forward.spec.listen);
    if (const std::optional<size_t> other = listeners.Collision(places)) {
      return Error(forward, forward.listen,
                   absl::StrCat("another forward listens there already: ",
                                forwards[*other].spec.Written()));
    }
    listeners.Add(places, i);
    const auto [other, inserted] =
        names.emplace(forward.spec.name, &forward.spec);
    if (!inserted) {
      return Error(forward, forward.name,
                   absl::StrCat("another forward is named ", forward.spec.name,
                                " (", other->second->Written(),
                                "): put a name of its own in front, NAME@"));
    }
  }
  return LoopFinder(forwards, listeners).Check();
}

}  // namespace weir
