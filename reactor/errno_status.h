// Public. An errno as an absl::Status for people, which a caller can still ask
// for the errno.

#ifndef REACTOR_ERRNO_STATUS_H_
#define REACTOR_ERRNO_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace weir {

// "Address already in use". Thread-safe, unlike strerror(3).
std::string ErrnoText(int error);

// "WHAT: Address already in use", with the code that fits `error`, which is not
// 0. `after` follows the text: " (held by pid 811 postgres)".
absl::Status ErrnoStatus(int error, std::string_view what,
                         std::string_view after = {});

// The errno that a status of ErrnoStatus() was made of; 0 for any other.
int ErrnoOf(const absl::Status& status);

}  // namespace weir

#endif  // REACTOR_ERRNO_STATUS_H_
