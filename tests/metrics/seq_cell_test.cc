#include "metrics/seq_cell.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include "gtest/gtest.h"

namespace weir {
namespace {

struct Ten {
  std::array<uint64_t, 10> words;
};

Ten Of(uint64_t value) {
  Ten ten;
  ten.words.fill(value);
  return ten;
}

TEST(SeqCell, IsZeroAtFirstAndKeepsTheLastValue) {
  SeqCell<Ten> cell;
  EXPECT_EQ(cell.Load().words, Of(0).words);
  cell.Store(Of(7));
  cell.Store(Of(8));
  EXPECT_EQ(cell.Load().words, Of(8).words);
}

TEST(SeqCell, KeepsValuesThatFillNoWord) {
  SeqCell<std::array<char, 3>> cell;
  cell.Store({'a', 'b', 'c'});
  EXPECT_EQ(cell.Load(), (std::array<char, 3>{'a', 'b', 'c'}));
}

// A reader never sees half of a value, nor an older one than before.
TEST(SeqCell, AReaderSeesWholeValuesInTheirOrder) {
  constexpr uint64_t kLast = 100'000;
  SeqCell<Ten> cell;
  std::thread writer([&cell] {
    for (uint64_t i = 1; i <= kLast; ++i) cell.Store(Of(i));
  });
  uint64_t seen = 0;
  bool whole = true;
  while (seen < kLast && whole) {
    const Ten ten = cell.Load();
    whole = ten.words == Of(ten.words[0]).words && ten.words[0] >= seen;
    seen = ten.words[0];
  }
  writer.join();
  EXPECT_TRUE(whole);
}

}  // namespace
}  // namespace weir
