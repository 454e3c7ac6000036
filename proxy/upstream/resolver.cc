#include "proxy/upstream/resolver.h"

#include <ares.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proxy/upstream/name_servers.h"
#include "reactor/callback_kind.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/poller.h"
#include "reactor/timer_wheel.h"

namespace weir {
namespace {

absl::Status Failure(const std::string& host, int status) {
  const auto text = [&host](std::string_view why) {
    return absl::StrCat("cannot resolve ", host, ": ",
                        absl::string_view(why.data(), why.size()));
  };
  switch (status) {
    case ARES_ENOTFOUND:
      return absl::NotFoundError(text("no such name"));
    case ARES_ENODATA:
      return absl::NotFoundError(text("the name has no address"));
    case ARES_EBADNAME:
      return absl::InvalidArgumentError(text("not a valid name"));
    case ARES_ETIMEOUT:
      return absl::DeadlineExceededError(
          text("no answer from the name server"));
    case ARES_ECONNREFUSED:
      return absl::UnavailableError(text("cannot reach the name server"));
    case ARES_ESERVFAIL:
      return absl::UnavailableError(text("the name server failed (SERVFAIL)"));
    case ARES_EREFUSED:
      return absl::UnavailableError(text("the name server refused"));
    default:
      return absl::UnavailableError(text(ares_strerror(status)));
  }
}

// c-ares expects -1 and errno.
int64_t ValueOrErrno(SysResult result) {
  if (result.ok()) return result.value;
  errno = result.error;
  return -1;
}

class CaresResolver final : public Resolver {
 public:
  CaresResolver(Reactor* reactor, Options options)
      : reactor_(reactor), options_(std::move(options)), retry_(this) {}
  ~CaresResolver() override {
    // Ends every look-up: OnAnswer() with ARES_EDESTRUCTION frees it.
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  absl::Status Init();

  void Resolve(const std::string& host, uint16_t port, Callback done) override;

 private:
  // One look-up. Owned by c-ares, which calls OnAnswer() once for each.
  class Query final : public Timer {
   public:
    Query(CaresResolver* resolver, std::string host, uint16_t port,
          Callback done)
        : resolver_(resolver),
          host_(std::move(host)),
          port_(port),
          done_(std::move(done)) {}

    const std::string& host() const { return host_; }
    uint16_t port() const { return port_; }

    // The caller is told; whatever c-ares finds later is of no use. Nothing
    // when it was told before.
    void Finish(absl::StatusOr<std::vector<Address>> result) {
      if (!done_) return;
      --resolver_->waiting_;
      std::exchange(done_, nullptr)(std::move(result));
    }

   private:
    void OnTimer() noexcept override {
      CaresResolver* const resolver = resolver_;
      resolver->reactor_->Describe(CallbackKind::kDns, {});
      Finish(Failure(host_, ARES_ETIMEOUT));
      resolver->CancelUnwanted();  // may free this
    }

    CaresResolver* const resolver_;
    const std::string host_;
    const uint16_t port_;
    Callback done_;  // null: told
  };

  // A socket that c-ares opened. Retired when it is closed, for that may be
  // from its own OnReady().
  class Socket final : public EventHandler, public Retired {
   public:
    Socket(CaresResolver* resolver, UniqueFd fd)
        : resolver_(resolver), fd_(std::move(fd)) {}

    void Want(Interest interest) {
      Reactor* const reactor = resolver_->reactor_;
      if (handle_ == Handle::kNone) {
        // Only now: a socket that is not connected yet reports a hang-up, and
        // those by which c-ares sorts addresses are never waited for. When
        // there is no room for it, the look-up ends by its timeout.
        handle_ = reactor->Register(fd_.get(), FdKind::kLevel, this).handle;
      }
      if (handle_ != Handle::kNone) reactor->Arm(handle_, interest);
    }

    void Close() {
      if (handle_ != Handle::kNone) {
        resolver_->reactor_->Close(handle_, std::move(fd_));
      }
      fd_.Reset();
    }

   private:
    void OnReady(Ready ready) noexcept override {
      // c-ares may close this socket below.
      CaresResolver* const resolver = resolver_;
      resolver->reactor_->Describe(CallbackKind::kDns, {});
      const int fd = fd_.get();
      const bool write = (ready & (kWritable | kEnded)) != 0;
      const bool read = (ready & ~kWritable) != 0;
      ares_process_fd(resolver->channel_, read ? fd : ARES_SOCKET_BAD,
                      write ? fd : ARES_SOCKET_BAD);
      resolver->ScheduleRetry();
    }

    CaresResolver* const resolver_;
    UniqueFd fd_;
    Handle handle_ = Handle::kNone;
  };

  // The time at which c-ares wants to send a question again.
  class RetryTimer final : public Timer {
   public:
    explicit RetryTimer(CaresResolver* resolver) : resolver_(resolver) {}

   private:
    void OnTimer() noexcept override {
      resolver_->reactor_->Describe(CallbackKind::kDns, {});
      ares_process_fd(resolver_->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      resolver_->ScheduleRetry();
    }

    CaresResolver* const resolver_;
  };

  // What c-ares calls; `data` is the resolver.
  static ares_socket_t OpenSocket(int domain, int type, int protocol,
                                  void* data);
  static int CloseSocket(ares_socket_t fd, void* data);
  static int ConnectSocket(ares_socket_t fd, const sockaddr* address,
                           ares_socklen_t size, void* data);
  static ares_ssize_t Receive(ares_socket_t fd, void* buffer, size_t size,
                              int flags, sockaddr* from,
                              ares_socklen_t* from_size, void* data);
  static ares_ssize_t Send(ares_socket_t fd, const iovec* parts, int count,
                           void* data);
  static void OnSocketState(void* data, ares_socket_t fd, int read, int write);
  // `data` is the Query.
  static void OnAnswer(void* data, int status, int timeouts,
                       ares_addrinfo* answer);

  static CaresResolver* Self(void* data) {
    return static_cast<CaresResolver*>(data);
  }
  Kernel& kernel() const { return reactor_->kernel(); }

  void ScheduleRetry();
  void CancelUnwanted();

  Reactor* const reactor_;
  const Options options_;
  ares_channel channel_ = nullptr;
  absl::flat_hash_map<int, std::unique_ptr<Socket>> sockets_;
  RetryTimer retry_;
  // Look-ups whose caller has not been told.
  int waiting_ = 0;
};

absl::Status CaresResolver::Init() {
  // Needed once a process; never undone.
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  ares_options settings{};
  settings.timeout = static_cast<int>(
      std::chrono::ceil<std::chrono::milliseconds>(options_.try_timeout)
          .count());
  settings.tries = options_.tries;
  settings.sock_state_cb = &OnSocketState;
  settings.sock_state_cb_data = this;
  const int status =
      library != ARES_SUCCESS
          ? library
          : ares_init_options(
                &channel_, &settings,
                ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS) {
    channel_ = nullptr;
    return absl::InternalError(
        absl::StrCat("cannot start c-ares: ", ares_strerror(status)));
  }
  static constexpr ares_socket_functions kFunctions = {
      &OpenSocket, &CloseSocket, &ConnectSocket, &Receive, &Send};
  ares_set_socket_functions(channel_, &kFunctions, this);
  if (options_.servers.empty()) return absl::OkStatus();
  return SetNameServers(options_.servers, channel_);
}

void CaresResolver::Resolve(const std::string& host, uint16_t port,
                            Callback done) {
  // c-ares would ask the name server for some of them.
  if (absl::StatusOr<Address> literal = ParseIpAddress(host, port);
      literal.ok()) {
    std::move(done)(std::vector<Address>{*std::move(literal)});
    return;
  }
  auto query = std::make_unique<Query>(this, host, port, std::move(done));
  ++waiting_;
  // The clock, not Now(): the loop may not have turned for a while.
  reactor_->Schedule(query.get(), reactor_->clock().Now() + options_.timeout);
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &OnAnswer,
                   query.release());
  ScheduleRetry();
}

void CaresResolver::OnAnswer(void* data, int status, int /*timeouts*/,
                             ares_addrinfo* answer) {
  const std::unique_ptr<Query> query(static_cast<Query*>(data));
  const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owned(
      answer, &ares_freeaddrinfo);
  if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) return;
  if (status != ARES_SUCCESS) {
    query->Finish(Failure(query->host(), status));
    return;
  }
  std::vector<Address> addresses;
  for (const ares_addrinfo_node* node = answer->nodes; node != nullptr;
       node = node->ai_next) {
    const Address address =
        Address::FromSockaddr(node->ai_addr, node->ai_addrlen)
            .WithPort(query->port());
    // A hosts file may name one twice.
    if (address.is_ip() && std::find(addresses.begin(), addresses.end(),
                                     address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  if (addresses.empty()) {
    query->Finish(Failure(query->host(), ARES_ENODATA));
  } else {
    query->Finish(std::move(addresses));
  }
}

// Nobody waits for what is left: its questions would still be sent again, and
// its sockets stay.
void CaresResolver::CancelUnwanted() {
  if (waiting_ == 0) ares_cancel(channel_);
  ScheduleRetry();
}

void CaresResolver::ScheduleRetry() {
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) == nullptr) {
    reactor_->Cancel(&retry_);
    return;
  }
  reactor_->Schedule(&retry_, reactor_->clock().Now() +
                                  std::chrono::seconds(left.tv_sec) +
                                  std::chrono::microseconds(left.tv_usec));
}

ares_socket_t CaresResolver::OpenSocket(int domain, int type, int protocol,
                                        void* data) {
  CaresResolver* const self = Self(data);
  const int fd = static_cast<int>(ValueOrErrno(self->kernel().Socket(
      domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)));
  if (fd < 0) return ARES_SOCKET_BAD;
  self->sockets_[fd] =
      std::make_unique<Socket>(self, UniqueFd(fd, self->kernel()));
  return fd;
}

int CaresResolver::CloseSocket(ares_socket_t fd, void* data) {
  CaresResolver* const self = Self(data);
  auto socket = self->sockets_.extract(fd);
  socket.mapped()->Close();
  self->reactor_->Retire(std::move(socket.mapped()));
  return 0;
}

int CaresResolver::ConnectSocket(ares_socket_t fd, const sockaddr* address,
                                 ares_socklen_t size, void* data) {
  return static_cast<int>(
      ValueOrErrno(Self(data)->kernel().Connect(fd, address, size)));
}

ares_ssize_t CaresResolver::Receive(ares_socket_t fd, void* buffer, size_t size,
                                    int flags, sockaddr* from,
                                    ares_socklen_t* from_size, void* data) {
  Kernel& kernel = Self(data)->kernel();
  const int64_t received = ValueOrErrno(kernel.Recv(fd, buffer, size, flags));
  // c-ares compares the sender with the server. The socket is connected, so the
  // kernel lets no other sender through.
  if (received >= 0 && from != nullptr &&
      ValueOrErrno(kernel.GetPeerName(fd, from, from_size)) < 0) {
    return -1;
  }
  return static_cast<ares_ssize_t>(received);
}

ares_ssize_t CaresResolver::Send(ares_socket_t fd, const iovec* parts,
                                 int /*count*/, void* data) {
  // A datagram has one part. Of a stream, the first part is a short write.
  const auto send = [&] {
    return Self(data)->kernel().Send(fd, parts[0].iov_base, parts[0].iov_len,
                                     0);
  };
  SysResult sent = send();
  // That is the answer to an earlier datagram. c-ares has to read it, or it
  // would wait for that one's timeout; sent again, this one brings it back.
  if (sent.error == ECONNREFUSED) sent = send();
  return static_cast<ares_ssize_t>(ValueOrErrno(sent));
}

void CaresResolver::OnSocketState(void* data, ares_socket_t fd, int read,
                                  int write) {
  // With nothing wanted, it is closed next.
  if (read == 0 && write == 0) return;
  CaresResolver* const self = Self(data);
  const auto socket = self->sockets_.find(fd);
  if (socket == self->sockets_.end()) return;
  socket->second->Want(static_cast<Interest>((read != 0 ? kRead : 0) |
                                             (write != 0 ? kWrite : 0)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Resolver>> Resolver::Create(Reactor* reactor,
                                                           Options options) {
  auto resolver = std::make_unique<CaresResolver>(reactor, std::move(options));
  if (absl::Status status = resolver->Init(); !status.ok()) return status;
  return std::unique_ptr<Resolver>(std::move(resolver));
}

}  // namespace weir
