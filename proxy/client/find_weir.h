// Public. Which weir a command speaks to.

#ifndef PROXY_CLIENT_FIND_WEIR_H_
#define PROXY_CLIENT_FIND_WEIR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proxy/config/forward_spec.h"
#include "reactor/address.h"

namespace weir {

struct FoundWeir {
  Address admin;
  // Nobody named it and none says that it is there: this is the default
  // address, where a weir of another user, or in a container, may be.
  bool guessed = false;
};

// `admin` where it is given (ClientCommand::admin); else the one weir that has
// an instance file in `run_directory`; else the default address.
// FailedPrecondition when there are several: the message, one line, lists them.
absl::StatusOr<FoundWeir> FindWeir(const std::optional<ListenSpec>& admin,
                                   const std::string& run_directory);

// FailedPrecondition for a guessed one: what changes something does so only to
// a weir that is known to be this user's, or that somebody named.
absl::Status CheckNotGuessed(const FoundWeir& weir);

// What to tell people when nothing answers there.
absl::Status Unreachable(const FoundWeir& weir, const absl::Status& error);

}  // namespace weir

#endif  // PROXY_CLIENT_FIND_WEIR_H_
