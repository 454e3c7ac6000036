// Public. A blocking HTTP/1.0 client for weir's own admin port: a connection a
// request, the answer read to its end.

#ifndef PROXY_CLIENT_ADMIN_CLIENT_H_
#define PROXY_CLIENT_ADMIN_CLIENT_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/address.h"
#include "reactor/clock.h"

namespace weir {

struct AdminReply {
  int status = 0;
  std::string body;
};

// One thread at a time.
class AdminClient {
 public:
  struct Options {
    // For a whole request. The server answers from a thread of its own, so that
    // a busy proxy is no reason to wait.
    Duration timeout = std::chrono::seconds(5);
    size_t max_bytes = size_t{64} << 20;  // of an answer
    // Readable: requests end, with Cancelled. -1: none. Not owned.
    int cancel_fd = -1;
  };

  // 0.0.0.0 and [::] stand for this machine.
  explicit AdminClient(const Address& address)
      : AdminClient(address, Options()) {}
  AdminClient(const Address& address, Options options);

  // The answer, whatever its status. DeadlineExceeded when it comes too late;
  // an errno's status (errno_status.h) when the connection failed; Unavailable
  // for what is too long, cut short or not HTTP. Messages are one line that
  // names the address.
  absl::StatusOr<AdminReply> Request(const std::string& method,
                                     const std::string& path) const;

  // The body of a 200. FailedPrecondition for another status, whose message is
  // the first line of its body.
  absl::StatusOr<std::string> Get(const std::string& path) const;

  const Address& address() const { return address_; }

 private:
  const Address address_;
  const Options options_;
};

}  // namespace weir

#endif  // PROXY_CLIENT_ADMIN_CLIENT_H_
