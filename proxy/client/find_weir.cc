#include "proxy/client/find_weir.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "proxy/lifecycle/instance_file.h"

namespace weir {
namespace {

constexpr uint16_t kDefaultPort = 9464;  // that of --admin

absl::StatusOr<Address> AddressOf(const ListenSpec& place) {
  if (place.kind != ListenSpec::Kind::kUnix) {
    return ParseIpAddress(place.host, place.port);
  }
  return place.path.substr(0, 1) == "@"
             ? Address::UnixAbstract(std::string_view(place.path).substr(1))
             : Address::UnixPath(place.path);
}

}  // namespace

absl::StatusOr<FoundWeir> FindWeir(const std::optional<ListenSpec>& admin,
                                   const std::string& run_directory) {
  if (admin.has_value()) {
    const absl::StatusOr<Address> address = AddressOf(*admin);
    if (!address.ok()) return address.status();
    return FoundWeir{*address};
  }
  // A folder that cannot be read, or trusted, tells of none.
  const absl::StatusOr<std::vector<Instance>> live =
      LiveInstances(run_directory);
  if (!live.ok() || live->empty()) {
    return FoundWeir{Address::Loopback(AF_INET, kDefaultPort), true};
  }
  if (live->size() == 1) return FoundWeir{live->front().admin};
  std::string message = absl::StrCat(live->size(), " weirs run:");
  for (const Instance& instance : *live) {
    absl::StrAppend(&message, " pid ", instance.pid, " at ",
                    instance.admin.ToString(),
                    instance.pid == live->back().pid ? ";" : ",");
  }
  return absl::FailedPreconditionError(
      absl::StrCat(message, " --admin=ADDRESS says which"));
}

absl::Status CheckNotGuessed(const FoundWeir& weir) {
  if (!weir.guessed) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("no weir of this user runs; what is at the default address "
                   "may be another's: --admin=",
                   weir.admin.ToString(), " if it is meant"));
}

absl::Status Unreachable(const FoundWeir& weir, const absl::Status& error) {
  if (!weir.guessed) return error;
  return absl::Status(
      error.code(),
      absl::StrCat("no weir of this user runs, and none answers at the default "
                   "address (",
                   error.message(), "); --admin=ADDRESS says where one is"));
}

}  // namespace weir
