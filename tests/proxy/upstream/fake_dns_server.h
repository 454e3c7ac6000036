// A name server for tests, on the loop of the test: one thread, so what it
// counts needs no lock and a test decides when it answers.

#ifndef TESTS_PROXY_UPSTREAM_FAKE_DNS_SERVER_H_
#define TESTS_PROXY_UPSTREAM_FAKE_DNS_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {

// UDP and TCP on one port of 127.0.0.1.
class FakeDnsServer {
 public:
  struct Zone {
    std::vector<std::string> v4;
    std::vector<std::string> v6;
    int rcode = 0;           // 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
    bool silent = false;     // no answer at all
    bool truncated = false;  // over UDP: TC and nothing else
    bool forged = false;     // before the answer, one with another id
  };

  explicit FakeDnsServer(Reactor* reactor);
  ~FakeDnsServer();

  // By the name without a last dot. Other names are NXDOMAIN.
  std::map<std::string, Zone> zones;
  // Questions that came, by transport.
  int udp_questions = 0;
  int tcp_questions = 0;

  // For Resolver::Options::servers.
  std::string address() const;

 private:
  class Endpoint;

  // The answer to a question; empty: none.
  std::string Answer(std::string_view question, bool udp);

  Reactor* const reactor_;
  uint16_t port_ = 0;
  bool forge_ = false;  // the answer that is being made has a forged twin
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
};

}  // namespace weir

#endif  // TESTS_PROXY_UPSTREAM_FAKE_DNS_SERVER_H_
