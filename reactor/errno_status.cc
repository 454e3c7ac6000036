#include "reactor/errno_status.h"

#include <string.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/types/optional.h"

namespace weir {
namespace {

constexpr char kPayload[] = "weir/errno";

}  // namespace

std::string ErrnoText(int error) {
  const char* const text = strerrordesc_np(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}

absl::Status ErrnoStatus(int error, std::string_view what,
                         std::string_view after) {
  std::string message(what);
  message.append(": ").append(ErrnoText(error)).append(after);
  absl::Status status(absl::ErrnoToStatusCode(error), message);
  status.SetPayload(kPayload, absl::Cord(std::to_string(error)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  int error = 0;
  if (payload.has_value() && !absl::SimpleAtoi(std::string(*payload), &error)) {
    return 0;
  }
  return error;
}

}  // namespace weir
