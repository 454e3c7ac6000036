#include "proxy/config/outgoing_ports.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"

namespace weir {
namespace {

std::vector<std::string> Warnings(const std::string& text) {
  const absl::StatusOr<ForwardSpec> forward = ParseForward(text);
  EXPECT_TRUE(forward.ok()) << forward.status();
  return OutgoingPortWarnings({*forward}, 32768, 60999);
}

TEST(OutgoingPortWarnings, NameForwardTargetAndRange) {
  EXPECT_EQ(Warnings("pg@5432=40000"),
            std::vector<std::string>{
                "pg: 127.0.0.1:40000 lies among the ports of outgoing "
                "connections (32768 to 60999, net.ipv4.ip_local_port_range): "
                "one of them may take it before a server does"});
}

TEST(OutgoingPortWarnings, CoverLoopbackAndTheWholeRange) {
  for (const char* text : {"1=127.9.9.9:32768", "1=[::1]:60999",
                           "1=LocalHost:50000", "1=127.0.0.1:50000"}) {
    EXPECT_EQ(Warnings(text).size(), 1u) << text;
  }
}

TEST(OutgoingPortWarnings, LeaveOthersAlone) {
  for (const char* text : {"1=32767", "1=61000", "1=db:40000",
                           "1=10.0.0.1:40000", "1=/run/x", "40000=80"}) {
    EXPECT_TRUE(Warnings(text).empty()) << text;
  }
}

}  // namespace
}  // namespace weir
