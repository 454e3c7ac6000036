#include "tests/proxy/upstream/fake_dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <utility>

#include "glog/logging.h"

namespace weir {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypeAaaa = 28;
constexpr uint16_t kNameAtHeader = 0xc000 | kHeaderBytes;  // a pointer

void Put16(std::string* out, size_t value) {
  out->push_back(static_cast<char>(value >> 8 & 0xff));
  out->push_back(static_cast<char>(value & 0xff));
}

uint16_t Get16(std::string_view text, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(text.at(at)) << 8 |
                               static_cast<uint8_t>(text.at(at + 1)));
}

void PutRecord(uint16_t type, const std::string& address, std::string* out) {
  std::array<char, sizeof(in6_addr)> bytes{};
  const bool v4 = type == kTypeA;
  const size_t size = v4 ? sizeof(in_addr) : sizeof(in6_addr);
  CHECK_EQ(inet_pton(v4 ? AF_INET : AF_INET6, address.c_str(), bytes.data()),
           1);
  Put16(out, kNameAtHeader);
  Put16(out, type);
  Put16(out, 1);  // class IN
  Put16(out, 0);
  Put16(out, 60);  // TTL
  Put16(out, size);
  out->append(bytes.data(), size);
}

UniqueFd MakeSocket(int type, uint16_t port) {
  UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  CHECK(fd.valid());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0) {
    return UniqueFd();
  }
  if (type == SOCK_STREAM) CHECK_EQ(listen(fd.get(), 16), 0);
  return fd;
}

uint16_t PortOf(const UniqueFd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  CHECK_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size),
           0);
  return ntohs(address.sin_port);
}

}  // namespace

// A datagram socket, a listener or a connection. Closed with the server.
class FakeDnsServer::Endpoint final : public EventHandler {
 public:
  enum class Kind { kUdp, kListener, kTcp };

  Endpoint(FakeDnsServer* server, Kind kind, UniqueFd fd)
      : server_(server), kind_(kind), fd_(std::move(fd)) {
    const Reactor::Registration made =
        server_->reactor_->Register(fd_.get(), FdKind::kLevel, this);
    CHECK_EQ(made.error, 0);
    handle_ = made.handle;
    server_->reactor_->Arm(handle_, kRead);
  }
  ~Endpoint() {
    if (handle_ != Handle::kNone) {
      server_->reactor_->Close(handle_, std::move(fd_));
    }
  }

 private:
  void OnReady(Ready) noexcept override {
    switch (kind_) {
      case Kind::kUdp:
        return ReadDatagram();
      case Kind::kListener:
        return Accept();
      case Kind::kTcp:
        return ReadStream();
    }
  }

  void ReadDatagram() {
    std::array<char, 2048> data;
    sockaddr_in from{};
    socklen_t size = sizeof(from);
    auto* const peer = reinterpret_cast<sockaddr*>(&from);
    const ssize_t n =
        recvfrom(fd_.get(), data.data(), data.size(), 0, peer, &size);
    if (n < 0) return;
    ++server_->udp_questions;
    const std::string answer =
        server_->Answer({data.data(), static_cast<size_t>(n)}, true);
    if (answer.empty()) return;
    if (server_->forge_) {
      std::string forged = answer;
      forged[0] = static_cast<char>(~forged[0]);
      forged.back() = static_cast<char>(~forged.back());
      sendto(fd_.get(), forged.data(), forged.size(), 0, peer, size);
    }
    sendto(fd_.get(), answer.data(), answer.size(), 0, peer, size);
  }

  void Accept() {
    UniqueFd fd(
        accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    server_->endpoints_.push_back(
        std::make_unique<Endpoint>(server_, Kind::kTcp, std::move(fd)));
  }

  void ReadStream() {
    std::array<char, 2048> data;
    const ssize_t n = recv(fd_.get(), data.data(), data.size(), 0);
    if (n <= 0) {
      server_->reactor_->Close(std::exchange(handle_, Handle::kNone),
                               std::move(fd_));
      return;
    }
    input_.append(data.data(), static_cast<size_t>(n));
    // Questions come several at a time.
    while (input_.size() >= 2 && input_.size() >= 2u + Get16(input_, 0)) {
      const size_t size = Get16(input_, 0);
      ++server_->tcp_questions;
      AnswerStream(std::string_view(input_).substr(2, size));
      input_.erase(0, 2 + size);
    }
  }

  void AnswerStream(std::string_view question) {
    const std::string answer = server_->Answer(question, false);
    std::string framed;
    Put16(&framed, answer.size());
    framed += answer;
    // In two pieces, as a network may deliver it.
    send(fd_.get(), framed.data(), 1, MSG_NOSIGNAL);
    send(fd_.get(), framed.data() + 1, framed.size() - 1, MSG_NOSIGNAL);
  }

  FakeDnsServer* const server_;
  const Kind kind_;
  UniqueFd fd_;
  Handle handle_ = Handle::kNone;
  std::string input_;
};

FakeDnsServer::FakeDnsServer(Reactor* reactor) : reactor_(reactor) {
  // The kernel's choice for TCP may be taken for UDP: another try.
  UniqueFd tcp;
  UniqueFd udp;
  for (int i = 0; i < 100 && !udp.valid(); ++i) {
    tcp = MakeSocket(SOCK_STREAM, 0);
    port_ = PortOf(tcp);
    udp = MakeSocket(SOCK_DGRAM, port_);
  }
  CHECK(udp.valid());
  endpoints_.push_back(std::make_unique<Endpoint>(
      this, Endpoint::Kind::kListener, std::move(tcp)));
  endpoints_.push_back(
      std::make_unique<Endpoint>(this, Endpoint::Kind::kUdp, std::move(udp)));
}

FakeDnsServer::~FakeDnsServer() = default;

std::string FakeDnsServer::address() const {
  return "127.0.0.1:" + std::to_string(port_);
}

std::string FakeDnsServer::Answer(std::string_view question, bool udp) {
  std::string name;
  size_t at = kHeaderBytes;
  for (size_t label; (label = static_cast<uint8_t>(question.at(at))) != 0;
       at += label + 1) {
    if (!name.empty()) name += '.';
    name += question.substr(at + 1, label);
  }
  const uint16_t type = Get16(question, at + 1);
  const size_t end = at + 5;  // the last label, type, class

  const auto found = zones.find(name);
  Zone zone;
  zone.rcode = 3;
  if (found != zones.end()) zone = found->second;
  if (zone.silent) return "";
  forge_ = zone.forged;
  const bool cut = udp && zone.truncated;
  static const std::vector<std::string> kNone;
  const std::vector<std::string>& addresses = cut || zone.rcode != 0 ? kNone
                                              : type == kTypeA       ? zone.v4
                                              : type == kTypeAaaa    ? zone.v6
                                                                     : kNone;

  std::string answer(question.substr(0, 2));  // id
  Put16(&answer,
        0x8180u | (cut ? 0x200u : 0) | static_cast<unsigned>(zone.rcode));
  Put16(&answer, 1);
  Put16(&answer, addresses.size());
  Put16(&answer, 0);
  Put16(&answer, 0);
  answer += question.substr(kHeaderBytes, end - kHeaderBytes);
  for (const std::string& address : addresses) {
    PutRecord(type, address, &answer);
  }
  return answer;
}

}  // namespace weir
