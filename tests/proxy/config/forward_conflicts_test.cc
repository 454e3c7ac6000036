// Forwards side by side when they are many: a file may have as many as there
// are ports. (What is a conflict: forward_spec_test.cc.)

#include <pthread.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"

namespace weir {
namespace {

constexpr int kMany = 20'000;
constexpr int kFirstPort = 10'000;

// Each leads to the next one's port; the last one to `end`.
ForwardsFile Chain(int end) {
  ForwardsFile file{"f", ""};
  for (int port = kFirstPort; port < kFirstPort + kMany; ++port) {
    const int next = port + 1 < kFirstPort + kMany ? port + 1 : end;
    absl::StrAppend(&file.text, port, "=", next, "\n");
  }
  return file;
}

// What ParseForwards() says on a stack that has some 10 bytes for a forward.
absl::Status ParseOnASmallStack(const ForwardsFile& file) {
  constexpr size_t kStack = 256 * 1024;
  struct Job {
    const ForwardsFile& file;
    absl::Status status;
  } job{file, absl::UnknownError("did not run")};
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  EXPECT_EQ(pthread_attr_setstacksize(&attributes, kStack), 0);
  const int error = pthread_create(
      &thread, &attributes,
      [](void* argument) -> void* {
        Job& own = *static_cast<Job*>(argument);
        own.status = ParseForwards({}, &own.file).status();
        return nullptr;
      },
      &job);
  EXPECT_EQ(error, 0);
  if (error == 0) pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  return job.status;
}

TEST(ForwardConflicts, AWayMayBeAsLongAsTheFile) {
  const absl::Status status = ParseOnASmallStack(Chain(kFirstPort - 1));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(ForwardConflicts, ACircleMayBeAsLongAsTheFile) {
  const absl::Status status = ParseOnASmallStack(Chain(kFirstPort));
  EXPECT_TRUE(absl::StartsWith(
      status.message(),
      "f:1: these forwards lead in a circle: p10000 -> p10001 -> p10002 -> "))
      << status.message().substr(0, 200);
  EXPECT_TRUE(absl::StrContains(status.message(), " -> p29999 -> p10000\n"));
}

// The second way to a place that was seen is not gone again.
TEST(ForwardConflicts, WaysMayMeet) {
  std::vector<std::string> forwards;
  for (int i = 0; i < 64; ++i) {
    for (const char* const host : {"127.0.0.1", "[::1]"}) {
      forwards.push_back(absl::StrCat("f", forwards.size(), "@", host, ":",
                                      i + 1, "=localhost:", i + 2));
    }
  }
  const absl::Status status = ParseForwards(forwards).status();
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace weir
