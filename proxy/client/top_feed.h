// Internal to proxy/client. Readings for `weir top`, by a thread of their own:
// a proxy that does not answer holds no key up.

#ifndef PROXY_CLIENT_TOP_FEED_H_
#define PROXY_CLIENT_TOP_FEED_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "proxy/client/admin_client.h"
#include "proxy/client/overview.h"
#include "proxy/client/readings.h"
#include "proxy/client/sampler.h"
#include "reactor/address.h"
#include "reactor/fd.h"

namespace weir {

// Made, used and destroyed by one thread.
class TopFeed {
 public:
  // What is new since the last look.
  struct News {
    std::optional<Overview> overview;
    std::optional<ConnectionsReading> connections;
    // What to tell: an error, or the end of a kill. Empty: all is well.
    std::optional<std::string> message;
  };

  // Starts the thread, which asks `admin` each second.
  explicit TopFeed(const Address& admin);
  // Ends it at once, a request that is under way too.
  ~TopFeed();
  TopFeed(const TopFeed&) = delete;
  TopFeed& operator=(const TopFeed&) = delete;

  // Readable when there is news.
  int fd() const { return news_fd_.get(); }
  News Take();

  // Closes a connection, soon.
  void Kill(uint64_t connection);

 private:
  void Run();
  void Sample(Sampler* sampler);
  void KillAll();
  // Adds to news_.
  void Tell(const std::string& message);

  UniqueFd news_fd_;    // eventfds
  UniqueFd wake_fd_;    // a kill is asked for, or the end
  UniqueFd cancel_fd_;  // the end
  const AdminClient client_;

  std::mutex mutex_;
  News news_;                      // guarded by mutex_
  std::vector<uint64_t> to_kill_;  // likewise
  bool stop_ = false;              // likewise

  std::thread thread_;  // the last: it uses the others
};

}  // namespace weir

#endif  // PROXY_CLIENT_TOP_FEED_H_
