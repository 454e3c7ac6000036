// Internal to proxy/client. Whether a proxy is gone.

#ifndef PROXY_CLIENT_EXIT_WATCH_H_
#define PROXY_CLIENT_EXIT_WATCH_H_

#include <cstdint>
#include <string>

#include "proxy/client/admin_client.h"
#include "reactor/clock.h"
#include "reactor/fd.h"

namespace weir {

// Made while the proxy still runs. One thread.
class ExitWatch {
 public:
  // `client` is not owned. `pid` is what the proxy calls itself, which means
  // something to us only if an instance file in `run_directory` has this pid
  // and the client's address; else its admin port is asked whether it still
  // answers with that pid.
  ExitWatch(const AdminClient* client, int64_t pid,
            const std::string& run_directory);

  enum class State {
    kGone,
    kThere,
    kSilent,  // it did not answer in time: stopped, or its machine is gone
  };
  // Returns kGone as soon as it is, and what was seen last after `time`.
  State Wait(Duration time);

 private:
  // Asks, for at most `time`.
  State Look(Duration time) const;

  const AdminClient* const client_;
  const int64_t pid_;
  UniqueFd process_;  // of the process, where it is known
};

}  // namespace weir

#endif  // PROXY_CLIENT_EXIT_WATCH_H_
