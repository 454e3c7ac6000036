#include "proxy/lifecycle/listeners.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proxy/relay/stream_options.h"
#include "reactor/address.h"
#include "reactor/errno_status.h"

namespace weir {
namespace {

// How often the kernel is asked for a port that is free in both families.
constexpr int kPortTries = 16;

bool FamilyIsMissing(const absl::Status& status) {
  const int error = ErrnoOf(status);
  return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

// The addresses that one spec stands for.
absl::StatusOr<std::vector<Address>> AddressesOf(const ListenSpec& listen) {
  switch (listen.kind) {
    case ListenSpec::Kind::kLoopback:
      return std::vector<Address>{Address::Loopback(AF_INET, listen.port),
                                  Address::Loopback(AF_INET6, listen.port)};
    case ListenSpec::Kind::kAny:
      return std::vector<Address>{Address::Any(AF_INET, listen.port),
                                  Address::Any(AF_INET6, listen.port)};
    case ListenSpec::Kind::kHostPort: {
      absl::StatusOr<Address> address =
          ParseIpAddress(listen.host, listen.port);
      if (!address.ok()) return address.status();
      return std::vector<Address>{*std::move(address)};
    }
    case ListenSpec::Kind::kUnix:
      break;
  }
  absl::StatusOr<Address> address =
      listen.path.starts_with('@')
          ? Address::UnixAbstract(std::string_view(listen.path).substr(1))
          : Address::UnixPath(listen.path);
  if (!address.ok()) return address.status();
  return std::vector<Address>{*std::move(address)};
}

// Appends those lines that are not there yet: two sockets say the same.
void Merge(std::vector<std::string> lines, std::vector<std::string>* to) {
  for (std::string& line : lines) {
    if (std::find(to->begin(), to->end(), line) == to->end()) {
      to->push_back(std::move(line));
    }
  }
}

// `bound` gets what there is to say, and outlives them.
ListenOptions OptionsOf(Kernel& kernel, const ForwardSpec& forward, bool tcp,
                        BoundForward* bound) {
  ListenOptions options;
  options.prepare = [&kernel, &forward, tcp, bound](int fd) {
    Merge(SetListenerOptions(kernel, fd, tcp, forward), &bound->warnings);
  };
  return options;
}

// One try. AlreadyExists-like errors of a second family with a picked port are
// the caller's to repeat.
absl::StatusOr<BoundForward> BindOnce(Kernel& kernel,
                                      const ForwardSpec& forward,
                                      const std::vector<Address>& addresses) {
  BoundForward bound;
  absl::Status missing;
  for (const Address& address : addresses) {
    const bool picked = address.port() == 0 && !bound.sockets.empty();
    absl::StatusOr<ListeningSocket> socket = Listen(
        kernel,
        picked ? address.WithPort(bound.sockets[0].address.port()) : address,
        OptionsOf(kernel, forward, address.is_ip(), &bound));
    if (socket.ok()) {
      bound.sockets.push_back(*std::move(socket));
    } else if (addresses.size() > 1 && FamilyIsMissing(socket.status())) {
      missing = socket.status();
      bound.skipped.push_back(absl::StrCat(
          address.ToString(), " skipped: ", ErrnoText(ErrnoOf(missing))));
    } else {
      return socket.status();
    }
  }
  if (bound.sockets.empty()) return missing;
  return bound;
}

absl::StatusOr<BoundForward> Bind(Kernel& kernel, const ForwardSpec& forward) {
  const absl::StatusOr<std::vector<Address>> addresses =
      AddressesOf(forward.listen);
  if (!addresses.ok()) return addresses.status();
  for (int tries = 1;; ++tries) {
    absl::StatusOr<BoundForward> bound = BindOnce(kernel, forward, *addresses);
    const bool again = !bound.ok() && ErrnoOf(bound.status()) == EADDRINUSE &&
                       forward.listen.port == 0 && addresses->size() > 1;
    if (!again || tries == kPortTries) return bound;
  }
}

// A copy of each socket of `bound` for one more reactor.
absl::StatusOr<std::vector<UniqueFd>> BindBeside(Kernel& kernel,
                                                 const ForwardSpec& forward,
                                                 BoundForward* bound) {
  std::vector<UniqueFd> copies;
  const ListenOptions options = OptionsOf(kernel, forward, /*tcp=*/true, bound);
  for (const ListeningSocket& socket : bound->sockets) {
    if (!socket.address.is_ip()) {
      copies.emplace_back();
      continue;
    }
    absl::StatusOr<UniqueFd> copy = ListenBeside(kernel, socket, options);
    if (!copy.ok()) return copy.status();
    copies.push_back(*std::move(copy));
  }
  return copies;
}

absl::Status OfForward(const ForwardSpec& forward, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(forward.name, ": ", status.message()));
}

absl::Status OfFlag(const char* flag, const absl::Status& status,
                    const char* way_out = "") {
  return absl::Status(
      status.code(), absl::StrCat("--", flag, ": ", status.message(), way_out));
}

}  // namespace

absl::StatusOr<std::vector<BoundForward>> BindForwards(
    Kernel& kernel, const std::vector<ForwardSpec>& forwards, size_t queues) {
  std::vector<BoundForward> all;
  for (const ForwardSpec& forward : forwards) {
    absl::StatusOr<BoundForward> bound = Bind(kernel, forward);
    if (!bound.ok()) return OfForward(forward, bound.status());
    for (size_t i = 1; i < queues; ++i) {
      absl::StatusOr<std::vector<UniqueFd>> copies =
          BindBeside(kernel, forward, &*bound);
      if (!copies.ok()) return OfForward(forward, copies.status());
      bound->copies.push_back(*std::move(copies));
    }
    all.push_back(*std::move(bound));
  }
  return all;
}

size_t CountSockets(const std::vector<BoundForward>& bound) {
  size_t count = 0;
  for (const BoundForward& forward : bound) {
    count += forward.sockets.size();
    for (const std::vector<UniqueFd>& copies : forward.copies) {
      count += static_cast<size_t>(
          std::count_if(copies.begin(), copies.end(),
                        [](const UniqueFd& fd) { return bool{fd}; }));
    }
  }
  return count;
}

absl::StatusOr<ListeningSocket> BindAdmin(Kernel& kernel,
                                          const ListenSpec& place,
                                          bool may_move) {
  const absl::StatusOr<std::vector<Address>> addresses = AddressesOf(place);
  if (!addresses.ok()) return OfFlag("admin", addresses.status());
  const Address& address = addresses->front();
  ListenOptions options;
  // Whoever may connect may also drain.
  if (address.is_unix()) options.mode = 0600;
  absl::StatusOr<ListeningSocket> socket = Listen(kernel, address, options);
  if (socket.ok()) return socket;
  const bool taken = address.is_ip() && ErrnoOf(socket.status()) == EADDRINUSE;
  if (taken && may_move) {
    socket = Listen(kernel, address.WithPort(0));
    if (socket.ok()) return socket;
    return OfFlag("admin", socket.status(),
                  "; --admin=ADDRESS takes another, --admin=off none");
  }
  return OfFlag("admin", socket.status(),
                taken ? "; --admin=0 takes a free port, --admin=off none" : "");
}

absl::StatusOr<ListeningSocket> BindProbes(Kernel& kernel,
                                           const ListenSpec& place) {
  const absl::StatusOr<std::vector<Address>> addresses = AddressesOf(place);
  if (!addresses.ok()) return OfFlag("probes", addresses.status());
  absl::StatusOr<ListeningSocket> socket = Listen(kernel, addresses->front());
  if (socket.ok()) return socket;
  return OfFlag("probes", socket.status());
}

}  // namespace weir
