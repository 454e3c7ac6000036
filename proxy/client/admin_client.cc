#include "proxy/client/admin_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proxy/observe/escape.h"
#include "proxy/relay/session_log.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"

namespace weir {
namespace {

Address Reachable(const Address& address) {
  if (!address.is_ip() || !address.IsAny()) return address;
  return Address::Loopback(address.family(), address.port());
}

// One request on a socket that does not block.
class Exchange {
 public:
  Exchange(const Address& address, const AdminClient::Options& options)
      : address_(address),
        options_(options),
        deadline_(Clock::Real().Now() + options.timeout) {}

  absl::StatusOr<std::string> Run(std::string_view request) {
    absl::Status status = Connect();
    if (status.ok()) status = Send(request);
    if (!status.ok()) return status;
    return ReadToTheEnd();
  }

 private:
  absl::Status Failed(int error) const {
    return ErrnoStatus(error, address_.ToString());
  }

  // Until the socket is ready for `events`.
  absl::Status Wait(int16_t events) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          deadline_ - Clock::Real().Now());
      if (left.count() <= 0) {
        return absl::DeadlineExceededError(
            absl::StrCat(address_.ToString(), ": no answer within ",
                         ShortDuration(options_.timeout)));
      }
      pollfd fds[] = {{socket_.get(), events, 0},
                      {options_.cancel_fd, POLLIN, 0}};
      const int ready = poll(fds, 2, static_cast<int>(left.count()));
      if (ready < 0 && errno != EINTR) return Failed(errno);
      if (ready <= 0) continue;
      if (fds[1].revents != 0) return absl::CancelledError("cancelled");
      return absl::OkStatus();
    }
  }

  absl::Status Connect() {
    socket_ = UniqueFd(socket(address_.family(),
                              SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_) return Failed(errno);
    if (connect(socket_.get(), address_.data(), address_.size()) == 0) {
      return absl::OkStatus();
    }
    // (A unix socket whose queue is full says EAGAIN, and nothing wakes us.)
    if (errno != EINPROGRESS) return Failed(errno);
    const absl::Status status = Wait(POLLOUT);
    if (!status.ok()) return status;
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0 ? absl::OkStatus() : Failed(error);
  }

  absl::Status Send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent =
          send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        data.remove_prefix(static_cast<size_t>(sent));
      } else if (errno == EAGAIN) {
        const absl::Status status = Wait(POLLOUT);
        if (!status.ok()) return status;
      } else if (errno != EINTR) {
        return Failed(errno);
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ReadToTheEnd() {
    std::string answer;
    char buffer[64 * 1024];
    while (true) {
      const ssize_t size = recv(socket_.get(), buffer, sizeof(buffer), 0);
      if (size == 0) return answer;
      if (size > 0) {
        answer.append(buffer, static_cast<size_t>(size));
        if (answer.size() <= options_.max_bytes) continue;
        return absl::UnavailableError(
            absl::StrCat(address_.ToString(), ": an answer of more than ",
                         options_.max_bytes, " bytes"));
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return Failed(errno);
      const absl::Status status = Wait(POLLIN);
      if (!status.ok()) return status;
    }
  }

  const Address& address_;
  const AdminClient::Options& options_;
  const MonoTime deadline_;
  UniqueFd socket_;
};

// "HTTP/1.0 200 OK", headers, an empty line, the body.
absl::StatusOr<AdminReply> ParseReply(const std::string& answer) {
  AdminReply reply;
  const size_t end = answer.find("\r\n\r\n");
  if (end == std::string::npos || !absl::StartsWith(answer, "HTTP/1.") ||
      !absl::SimpleAtoi(answer.substr(9, 3), &reply.status)) {
    return absl::UnavailableError("the answer is not HTTP");
  }
  reply.body = answer.substr(end + 4);
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(answer).substr(0, end), "\r\n")) {
    const std::pair<absl::string_view, absl::string_view> header =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    size_t length = 0;
    if (absl::EqualsIgnoreCase(header.first, "Content-Length") &&
        absl::SimpleAtoi(header.second, &length) &&
        length != reply.body.size()) {
      return absl::UnavailableError("the answer was cut short");
    }
  }
  return reply;
}

}  // namespace

AdminClient::AdminClient(const Address& address, Options options)
    : address_(Reachable(address)), options_(options) {}

absl::StatusOr<AdminReply> AdminClient::Request(const std::string& method,
                                                const std::string& path) const {
  // POST is only for who means this machine (metrics/http_server.h).
  const std::string request =
      absl::StrCat(method, " ", path, " HTTP/1.0\r\nHost: localhost\r\n",
                   method == "POST" ? "Content-Length: 0\r\n" : "",
                   "Connection: close\r\n\r\n");
  const absl::StatusOr<std::string> answer =
      Exchange(address_, options_).Run(request);
  if (!answer.ok()) return answer.status();
  absl::StatusOr<AdminReply> reply = ParseReply(*answer);
  if (reply.ok()) return reply;
  return absl::UnavailableError(
      absl::StrCat(address_.ToString(), ": ", reply.status().message()));
}

absl::StatusOr<std::string> AdminClient::Get(const std::string& path) const {
  absl::StatusOr<AdminReply> reply = Request("GET", path);
  if (!reply.ok()) return reply.status();
  if (reply->status == 200) return std::move(reply->body);
  std::string line;
  AppendEscaped(reply->body.substr(0, reply->body.find('\n')), &line);
  return absl::FailedPreconditionError(
      absl::StrCat(address_.ToString(), ": GET ", path, ": ", reply->status,
                   line.empty() ? "" : " ", line));
}

}  // namespace weir
