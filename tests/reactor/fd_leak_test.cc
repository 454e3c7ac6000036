// A program that weir would start must not inherit one of its descriptors.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/signals.h"

namespace weir {
namespace {

// The descriptors of a program that this process starts, as it lists them.
std::string DescriptorsOfAChild() {
  FILE* const child = popen("exec ls /proc/self/fd", "re");
  EXPECT_NE(child, nullptr);
  std::string list;
  char line[64];
  while (fgets(line, sizeof(line), child) != nullptr) list += line;
  EXPECT_EQ(pclose(child), 0);
  EXPECT_NE(list, "");
  return list;
}

TEST(FdLeakTest, TheTestSeesALeak) {
  const std::string before = DescriptorsOfAChild();
  const UniqueFd leak(open("/dev/null", O_RDONLY));
  EXPECT_NE(DescriptorsOfAChild(), before);
}

TEST(FdLeakTest, ChildInheritsNothing) {
  ASSERT_TRUE(BlockSignals().ok());
  char directory[] = "/tmp/weir-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/s";
  const std::string before = DescriptorsOfAChild();
  {
    Kernel& kernel = Kernel::Real();
    std::vector<ListeningSocket> listeners;
    for (const Address& address :
         {Address::Loopback(AF_INET, 0), Address::Loopback(AF_INET6, 0),
          *Address::UnixPath(path), *Address::UnixAbstract(path)}) {
      auto listener = Listen(kernel, address);
      ASSERT_TRUE(listener.ok()) << listener.status().ToString();
      listeners.push_back(*std::move(listener));
    }

    std::vector<std::unique_ptr<Reactor>> reactors;
    for (const PollerKind kind : kAllPollers) {
      auto poller = MakePoller(kind);
      if (!poller.ok()) continue;  // this kernel lacks it
      Reactor::Options options;
      options.poller = *std::move(poller);
      reactors.push_back(std::make_unique<Reactor>(std::move(options)));
    }
    ASSERT_FALSE(reactors.empty());
    Reactor& first = *reactors[0];
    auto watcher = SignalWatcher::Create(first, [](int) {});
    ASSERT_TRUE(watcher.ok()) << watcher.status().ToString();
    first.RunOnce(Duration::zero());

    EXPECT_EQ(DescriptorsOfAChild(), before);
  }
  EXPECT_EQ(rmdir(directory), 0);
}

}  // namespace
}  // namespace weir
