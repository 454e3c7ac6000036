#include "proxy/relay/early_reads.h"

#include "gtest/gtest.h"

namespace weir {
namespace {

// Connections until one is looked at, that one included.
int UntilWanted(EarlyReads* reads) {
  int count = 1;
  while (!reads->Wanted()) ++count;
  return count;
}

void Miss(EarlyReads* reads) {
  for (int i = 0; i < EarlyReads::kMisses; ++i) {
    ASSERT_TRUE(reads->Wanted());
    reads->Saw(false);
  }
}

TEST(EarlyReads, LooksWhileItFindsSomething) {
  EarlyReads reads;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(reads.Wanted());
    reads.Saw(i % EarlyReads::kMisses == 0);  // never enough in a row
  }
}

TEST(EarlyReads, LooksNowAndThenAfterMisses) {
  EarlyReads reads;
  Miss(&reads);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(UntilWanted(&reads), EarlyReads::kInterval);
    reads.Saw(false);
  }
}

TEST(EarlyReads, OneHitIsEnough) {
  EarlyReads reads;
  Miss(&reads);
  UntilWanted(&reads);
  reads.Saw(true);
  Miss(&reads);
  EXPECT_EQ(UntilWanted(&reads), EarlyReads::kInterval);
}

}  // namespace
}  // namespace weir
