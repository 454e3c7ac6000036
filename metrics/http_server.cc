#include "metrics/http_server.h"

#include <unistd.h>

#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "event2/event.h"
#include "event2/http.h"
#include "event2/listener.h"
#include "glog/logging.h"
#include "metrics/http_connections.h"
#include "metrics/http_exchange.h"
#include "metrics/http_guard.h"
#include "metrics/http_inbox.h"
#include "metrics/http_router.h"
#include "metrics/http_waiting.h"
#include "metrics/quiet_thread.h"

namespace weir {
namespace {

// How long Stop() waits for answers that are on their way: looks, a millisecond
// apart.
constexpr int kStopLooks = 100;
constexpr timeval kStopLookTime = {0, 1'000};

struct BaseFree {
  void operator()(event_base* base) const { event_base_free(base); }
};
struct HttpFree {
  void operator()(evhttp* http) const { evhttp_free(http); }
};
// One event loop for one thread, with the priorities that HttpConnections
// needs.
event_base* NewBase() {
  // Its warnings go to stderr, which may be a full pipe, and say nothing that
  // we could not find out from what its calls return.
  event_set_log_callback([](int, const char*) {});
  event_config* config = event_config_new();
  CHECK(config != nullptr);
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  CHECK(base != nullptr);
  CHECK_EQ(event_base_priority_init(base, 2), 0);
  return base;
}

HttpResponse Refusal(int status, const char* why) {
  HttpResponse response;
  response.status = status;
  response.body = absl::StrCat(why, "\n");
  return response;
}

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(Options options);
  ~Impl() { Stop(); }

  HttpRouter& router() { return router_; }
  const std::shared_ptr<HttpInbox>& inbox() const { return inbox_; }
  absl::Status Serve(int fd);
  absl::Status Start();
  void Stop();

 private:
  // On the server's thread.
  void Run();
  void OnStop();
  void OnStopLook();
  void SetAccepting(bool accepting);
  void OnRequest(evhttp_request* request);
  // The answer, or nothing when a handler gives it later.
  std::optional<HttpResponse> Respond(evhttp_request* request);

  // Constant from Start() on.
  const Options options_;
  HttpRouter router_;

  const std::shared_ptr<HttpInbox> inbox_;  // any thread

  // The server's thread's while it runs, else the owner's. Freed bottom up:
  // evhttp's connections need the base, and their bufferevents come from
  // connections_.
  std::unique_ptr<event_base, BaseFree> base_;
  std::unique_ptr<HttpConnections> connections_;
  std::unique_ptr<evhttp, HttpFree> http_;
  std::unique_ptr<HttpWaiting> waiting_;
  std::vector<evhttp_bound_socket*> listeners_;
  EventPtr inbox_event_;
  EventPtr stop_event_;
  int stop_looks_ = 0;

  std::thread thread_;  // the owner's
};

namespace {

// libevent hands a listener's error callback what evhttp gave it, not us.
thread_local HttpConnections* connections_of_thread = nullptr;

}  // namespace

HttpServer::Impl::Impl(Options options)
    : options_(std::move(options)),
      inbox_(std::make_shared<HttpInbox>()),
      base_(NewBase()) {
  connections_ = std::make_unique<HttpConnections>(
      base_.get(), options_.max_connections, options_.request_timeout,
      [this](bool accepting) { SetAccepting(accepting); },
      [this](int fd) { return waiting_->Abandon(fd); });
  waiting_ = std::make_unique<HttpWaiting>(base_.get(), inbox_);
  http_.reset(evhttp_new(base_.get()));
  CHECK(http_ != nullptr);
  evhttp_set_max_headers_size(
      http_.get(), static_cast<ev_ssize_t>(options_.max_header_bytes));
  evhttp_set_max_body_size(http_.get(),
                           static_cast<ev_ssize_t>(options_.max_body_bytes));
  // All that it knows: which of them a path takes is decided here, with Allow.
  evhttp_set_allowed_methods(http_.get(), 0xffff);
  evhttp_set_default_content_type(http_.get(), nullptr);
  evhttp_set_bevcb(
      http_.get(),
      [](event_base*, void* arg) {
        return static_cast<HttpConnections*>(arg)->OnAccept();
      },
      connections_.get());
  evhttp_set_gencb(
      http_.get(),
      [](evhttp_request* request, void* arg) {
        static_cast<Impl*>(arg)->OnRequest(request);
      },
      this);
  stop_event_.reset(event_new(
      base_.get(), -1, EV_PERSIST,
      [](evutil_socket_t, short, void* arg) {
        static_cast<Impl*>(arg)->OnStopLook();
      },
      this));
  CHECK(stop_event_ != nullptr);
}

absl::Status HttpServer::Impl::Serve(int fd) {
  evhttp_bound_socket* bound =
      evhttp_accept_socket_with_handle(http_.get(), fd);
  if (bound == nullptr) {
    close(fd);
    return absl::UnavailableError("cannot watch the admin socket");
  }
  evconnlistener_set_error_cb(
      evhttp_bound_socket_get_listener(bound),
      [](evconnlistener*, void*) { connections_of_thread->OnAcceptError(); });
  listeners_.push_back(bound);
  return absl::OkStatus();
}

absl::Status HttpServer::Impl::Start() {
  CHECK(!thread_.joinable() && http_ != nullptr) << "started twice";
  if (inbox_->fd() < 0) {
    return absl::UnavailableError(
        "cannot start the admin thread: no descriptor is left");
  }
  inbox_event_.reset(event_new(
      base_.get(), inbox_->fd(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* arg) {
        static_cast<HttpInbox*>(arg)->RunSome();
      },
      inbox_.get()));
  CHECK(inbox_event_ != nullptr);
  CHECK_EQ(event_add(inbox_event_.get(), nullptr), 0);

  // (A write to a reset connection is EPIPE without SIGPIPE then, too.)
  absl::StatusOr<std::thread> thread =
      StartQuietThread(options_.thread_name, [this] { Run(); });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  return absl::OkStatus();
}

void HttpServer::Impl::Stop() {
  if (thread_.joinable()) {
    inbox_->Post([this] { OnStop(); });
    thread_.join();
  }
  // From here on no reply reaches what is taken down.
  inbox_->Close();
  inbox_event_.reset();
  stop_event_.reset();
  waiting_.reset();
  http_.reset();  // closes listeners and connections
  connections_.reset();
  base_.reset();
}

void HttpServer::Impl::Run() {
  connections_of_thread = connections_.get();
  event_base_dispatch(base_.get());
}

void HttpServer::Impl::OnStop() {
  for (evhttp_bound_socket* listener : std::exchange(listeners_, {})) {
    evhttp_del_accept_socket(http_.get(), listener);
  }
  event_add(stop_event_.get(), &kStopLookTime);
  OnStopLook();
}

void HttpServer::Impl::OnStopLook() {
  if (!connections_->Answering() || ++stop_looks_ > kStopLooks) {
    event_base_loopbreak(base_.get());
  }
}

void HttpServer::Impl::SetAccepting(bool accepting) {
  for (evhttp_bound_socket* bound : listeners_) {
    evconnlistener* listener = evhttp_bound_socket_get_listener(bound);
    if (accepting) {
      evconnlistener_enable(listener);
    } else {
      evconnlistener_disable(listener);
    }
  }
}

void HttpServer::Impl::OnRequest(evhttp_request* request) {
  connections_->OnRequest(ConnectionFd(request));
  evhttp_request_set_on_complete_cb(
      request,
      [](evhttp_request* done, void* arg) {
        static_cast<HttpConnections*>(arg)->OnAnswered(ConnectionFd(done));
      },
      connections_.get());
  if (const std::optional<HttpResponse> response = Respond(request)) {
    Send(request, *response);
  }
}

std::optional<HttpResponse> HttpServer::Impl::Respond(evhttp_request* request) {
  std::optional<HttpRequest> parsed = Parse(request);
  if (!parsed.has_value()) return Refusal(400, "Not an HTTP path.");
  const std::optional<HttpMethod> method = MethodOf(request);
  HttpRouter::Match match = router_.Find(parsed->path, method);
  if (match.action == nullptr) return match.refusal;
  const char* why = nullptr;
  if (method == HttpMethod::kPost) {
    why = WhyPostIsRefused(FactsOf(request));
  } else if (match.action->audience == HttpAudience::kNoForeignPage) {
    why = WhyGetIsRefused(FactsOf(request));
  }
  if (why != nullptr) return Refusal(403, why);
  parsed->segment = std::move(match.segment);
  if (match.action->now) return match.action->now(*parsed);
  waiting_->Add(request, *parsed, match.action->later);
  return std::nullopt;
}

HttpServer::HttpServer() : HttpServer(Options()) {}
HttpServer::HttpServer(Options options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpServer::~HttpServer() = default;

void HttpServer::Handle(HttpMethod method, const std::string& path,
                        HttpHandler handler, HttpAudience audience) {
  impl_->router().Handle(method, path, {std::move(handler), nullptr, audience});
}

void HttpServer::HandleLater(HttpMethod method, const std::string& path,
                             HttpDeferredHandler handler,
                             HttpAudience audience) {
  impl_->router().Handle(method, path, {nullptr, std::move(handler), audience});
}

HttpServer::Poster HttpServer::poster() const {
  return [inbox = impl_->inbox()](std::function<void()> task) {
    inbox->Post(std::move(task));
  };
}

absl::Status HttpServer::Serve(int fd) { return impl_->Serve(fd); }
absl::Status HttpServer::Start() { return impl_->Start(); }
void HttpServer::Stop() { impl_->Stop(); }

}  // namespace weir
