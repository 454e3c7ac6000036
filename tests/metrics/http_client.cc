#include "tests/metrics/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <utility>

#include "absl/status/statusor.h"
#include "glog/logging.h"
#include "reactor/address.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"

namespace weir {
namespace {

constexpr timeval kBound = {60, 0};

}  // namespace

int ListenOnLoopback(uint16_t* port) {
  absl::StatusOr<ListeningSocket> socket =
      Listen(Kernel::Real(), Address::Loopback(AF_INET, 0));
  CHECK(socket.ok()) << socket.status();
  *port = socket->address.port();
  return socket->fd.Release();
}

HttpClient::HttpClient(uint16_t port)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kBound, sizeof kBound);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kBound, sizeof kBound);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) !=
      0) {
    close(std::exchange(fd_, -1));
  }
}

HttpClient::HttpClient(Socket socket) : fd_(socket.fd) {
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kBound, sizeof kBound);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kBound, sizeof kBound);
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), unread_(std::move(other.unread_)) {}

HttpClient::~HttpClient() {
  if (fd_ >= 0) close(fd_);
}

bool HttpClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void HttpClient::ShutdownWrite() { shutdown(fd_, SHUT_WR); }

bool HttpClient::ReadMore() {
  char buffer[65536];
  const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
  if (n <= 0) return false;
  unread_.append(buffer, static_cast<size_t>(n));
  return true;
}

std::string HttpClient::ReadAnswer(bool head) {
  size_t end;
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return "";
  }
  size_t size = end + 4;
  if (!head) {
    const std::string length =
        HeaderOf(unread_.substr(0, size), "Content-Length");
    size += std::strtoul(length.c_str(), nullptr, 10);
  }
  while (unread_.size() < size) {
    if (!ReadMore()) return "";
  }
  std::string answer = unread_.substr(0, size);
  unread_.erase(0, size);
  return answer;
}

std::string HttpClient::ReadAll() {
  while (ReadMore()) {
  }
  return std::exchange(unread_, {});
}

std::string HttpClient::Get(const std::string& path) {
  Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return ReadAnswer();
}

bool HttpClient::Ended() {
  char byte;
  return recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

int StatusOf(const std::string& answer) {
  if (answer.compare(0, 7, "HTTP/1.") != 0 || answer.size() < 12) return 0;
  return std::atoi(answer.c_str() + 9);
}

std::string HeaderOf(const std::string& answer, const std::string& name) {
  const size_t end = answer.find("\r\n\r\n");
  for (size_t at = answer.find("\r\n"); at != end && at != std::string::npos;) {
    const size_t line = at + 2;
    at = answer.find("\r\n", line);
    if (strncasecmp(answer.c_str() + line, (name + ": ").c_str(),
                    name.size() + 2) == 0) {
      const size_t value = line + name.size() + 2;
      return answer.substr(value, at - value);
    }
  }
  return "";
}

std::string BodyOf(const std::string& answer) {
  const size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

}  // namespace weir
