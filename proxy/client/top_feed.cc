#include "proxy/client/top_feed.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "reactor/clock.h"

namespace weir {
namespace {

constexpr Duration kPeriod = std::chrono::seconds(1);

UniqueFd NewEvent() { return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

void Raise(const UniqueFd& event) { (void)!eventfd_write(event.get(), 1); }

void Lower(const UniqueFd& event) {
  eventfd_t ignored = 0;
  (void)!eventfd_read(event.get(), &ignored);
}

AdminClient::Options Cancellable(int fd) {
  AdminClient::Options options;
  options.cancel_fd = fd;
  return options;
}

}  // namespace

TopFeed::TopFeed(const Address& admin)
    : news_fd_(NewEvent()),
      wake_fd_(NewEvent()),
      cancel_fd_(NewEvent()),
      client_(admin, Cancellable(cancel_fd_.get())),
      thread_([this] { Run(); }) {}

TopFeed::~TopFeed() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  Raise(cancel_fd_);
  Raise(wake_fd_);
  thread_.join();
}

TopFeed::News TopFeed::Take() {
  Lower(news_fd_);
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(news_, News());
}

void TopFeed::Kill(uint64_t connection) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    to_kill_.push_back(connection);
  }
  Raise(wake_fd_);
}

void TopFeed::Run() {
  Sampler sampler(&client_);
  MonoTime next = Clock::Real().Now();
  while (true) {
    const MonoTime now = Clock::Real().Now();
    if (now >= next) {
      Sample(&sampler);
      next = now + kPeriod;
    }
    if (WaitFor(next - Clock::Real().Now(), wake_fd_.get())) Lower(wake_fd_);
    KillAll();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stop_) return;
  }
}

void TopFeed::Sample(Sampler* sampler) {
  absl::StatusOr<Overview> overview = sampler->Take();
  if (!overview.ok()) return Tell(std::string(overview.status().message()));
  const absl::StatusOr<std::string> body = client_.Get("/debug/connections");
  absl::StatusOr<ConnectionsReading> connections =
      body.ok() ? ParseConnections(*body) : body.status();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    news_.overview = *std::move(overview);
    if (connections.ok()) {
      news_.connections = *std::move(connections);
    } else {
      news_.message = std::string(connections.status().message());
    }
  }
  Raise(news_fd_);
}

void TopFeed::KillAll() {
  std::vector<uint64_t> ids;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ids.swap(to_kill_);
  }
  for (const uint64_t id : ids) {
    const absl::StatusOr<AdminReply> reply =
        client_.Request("POST", absl::StrCat("/connections/", id, "/close"));
    if (!reply.ok()) {
      Tell(std::string(reply.status().message()));
    } else if (reply->status == 200) {
      Tell(absl::StrCat("closed connection ", id));
    } else {
      Tell(absl::StrCat("connection ", id,
                        reply->status == 404 ? " is gone already"
                                             : " was not closed: its loop did "
                                               "not answer in time"));
    }
  }
}

void TopFeed::Tell(const std::string& message) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    news_.message = message;
  }
  Raise(news_fd_);
}

}  // namespace weir
