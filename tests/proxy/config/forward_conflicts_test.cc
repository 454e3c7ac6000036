// Forwards side by side, two of them and thousands: a file may have as many as
// there are ports.

#include <pthread.h>

#include <cstddef>
#include <ostream>
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

TEST(ParseForwards, TakesThese) {
  const std::vector<std::vector<std::string>> sets = {
      {"80=10.0.0.1:80"},
      {"80=127.0.0.2:80"},
      {"127.0.0.1:80=[::1]:80"},
      {"0=80"},
      {"any:80=81", "81=db:80"},
      {"a@127.0.0.1:80=db:80", "b@127.0.0.2:80=db:80"},
      {"a@0.0.0.0:80=db:80", "b@[::]:80=db:80"},
      {"a@/run/x=/run/y", "b@/run/y=db:1"},
      {"a@unix:@x=/x", "b@/x=unix:@y"},
      {"[fe80::1%a]:80=[fe80::1%b]:80"},
  };
  for (const std::vector<std::string>& set : sets) {
    EXPECT_TRUE(ParseForwards(set).ok()) << set[0];
  }
}

struct Conflict {
  std::vector<std::string> texts;
  std::string message;
};

std::ostream& operator<<(std::ostream& out, const Conflict& conflict) {
  for (const std::string& text : conflict.texts) out << text << ' ';
  return out;
}

class ConflictingForwards : public testing::TestWithParam<Conflict> {};

TEST_P(ConflictingForwards, AreRefused) {
  const absl::Status status = ParseForwards(GetParam().texts).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Names, ConflictingForwards,
    testing::Values(
        Conflict{{"pg@1=db:1", "pg@2=db:2"},
                 "another forward is named pg (pg@1=db:1): put a name of its "
                 "own in front, NAME@\n"
                 "  pg@2=db:2\n"
                 "  ^"},
        Conflict{{"0=db:1", "any:0=db:2"},
                 "another forward is named p0 (0=db:1): put a name of its own "
                 "in front, NAME@\n"
                 "  any:0=db:2\n"
                 "  ^"}));

constexpr char kTaken[] = "another forward listens there already: ";

INSTANTIATE_TEST_SUITE_P(
    Listeners, ConflictingForwards,
    testing::Values(
        Conflict{{"5432=db:1", "5432=db:2"},
                 std::string(kTaken) + "5432=db:1\n  5432=db:2\n  ^"},
        Conflict{{"a@any:80=db:1", "b@80=db:2"},
                 std::string(kTaken) + "a@any:80=db:1\n  b@80=db:2\n    ^"},
        Conflict{{"a@[::1]:80=db:1", "b@80=db:2"},
                 std::string(kTaken) + "a@[::1]:80=db:1\n  b@80=db:2\n    ^"},
        Conflict{{"a@0.0.0.0:80=db:1", "b@10.0.0.1:80=db:2"},
                 std::string(kTaken) +
                     "a@0.0.0.0:80=db:1\n  b@10.0.0.1:80=db:2\n    ^"},
        Conflict{{"a@/x//y=db:1", "b@/x/./y=db:2"},
                 std::string(kTaken) + "a@/x//y=db:1\n  b@/x/./y=db:2\n    "
                                       "^"}));

constexpr char kSelf[] =
    " would connect to itself: its target is where it listens\n  ";

INSTANTIATE_TEST_SUITE_P(
    Loops, ConflictingForwards,
    testing::Values(
        Conflict{{"80=80"}, std::string("p80") + kSelf + "80=80\n     ^"},
        Conflict{{"80:localhost:80"},
                 std::string("p80") + kSelf + "80:localhost:80\n     ^"},
        Conflict{{"80=LocalHost:80"},
                 std::string("p80") + kSelf + "80=LocalHost:80\n     ^"},
        Conflict{
            {"[::1]:80=[::1]:80"},
            std::string("p80") + kSelf + "[::1]:80=[::1]:80\n           ^"},
        Conflict{
            {"[::1]:80=[0:0::1]:80"},
            std::string("p80") + kSelf + "[::1]:80=[0:0::1]:80\n           ^"},
        Conflict{
            {"80=[::ffff:127.0.0.1]:80"},
            std::string("p80") + kSelf + "80=[::ffff:127.0.0.1]:80\n     ^"},
        Conflict{{"80=0.0.0.0:80"},
                 std::string("p80") + kSelf + "80=0.0.0.0:80\n     ^"},
        Conflict{{"[::1]:80=[::]:80"},
                 std::string("p80") + kSelf + "[::1]:80=[::]:80\n           ^"},
        Conflict{
            {"any:80=127.1.2.3:80"},
            std::string("p80") + kSelf + "any:80=127.1.2.3:80\n         ^"},
        Conflict{{"[::]:80=[::1]:80"},
                 std::string("p80") + kSelf + "[::]:80=[::1]:80\n          ^"},
        Conflict{{"10.0.0.1:80=10.0.0.1:80"},
                 std::string("p80") + kSelf +
                     "10.0.0.1:80=10.0.0.1:80\n              ^"},
        Conflict{{"db:80=DB:80"},
                 std::string("p80") + kSelf + "db:80=DB:80\n        ^"},
        Conflict{{"/a/../x=/x"},
                 std::string("x") + kSelf + "/a/../x=/x\n          ^"},
        Conflict{{"/%78=/x"}, std::string("x") + kSelf + "/%78=/x\n       ^"},
        Conflict{{"unix:@x=unix:@x"},
                 std::string("x") + kSelf + "unix:@x=unix:@x\n          ^"},
        Conflict{{"a@1=2", "b@2=1"},
                 "these forwards lead in a circle: a -> b -> a\n"
                 "  a@1=2\n"
                 "      ^"},
        Conflict{{"x@7=1", "a@1=2", "b@2=/x", "c@/x=127.0.0.1:1"},
                 "these forwards lead in a circle: a -> b -> c -> a\n"
                 "  a@1=2\n"
                 "      ^"}));

// --- Many -------------------------------------------------------------------

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
