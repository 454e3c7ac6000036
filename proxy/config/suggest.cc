#include "proxy/config/suggest.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/types/span.h"

namespace weir {
namespace {

// Longer words are not compared: the table is quadratic, and input that long is
// no slip of a finger.
constexpr size_t kLongestWord = 64;

std::string Fold(std::string_view word) {
  std::string folded(word);
  for (char& c : folded) c = c == '-' ? '_' : absl::ascii_tolower(c);
  return folded;
}

bool IsBeginning(std::string_view part, std::string_view whole) {
  return part.size() >= 3 && whole.substr(0, part.size()) == part;
}

}  // namespace

int EditDistance(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<int> table((a.size() + 1) * width);
  const auto at = [&](size_t i, size_t j) -> int& {
    return table[i * width + j];
  };
  for (size_t i = 0; i <= a.size(); ++i) at(i, 0) = static_cast<int>(i);
  for (size_t j = 0; j <= b.size(); ++j) at(0, j) = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const int change = a[i - 1] == b[j - 1] ? 0 : 1;
      int best = std::min(
          {at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        best = std::min(best, at(i - 2, j - 2) + 1);
      }
      at(i, j) = best;
    }
  }
  return at(a.size(), b.size());
}

std::string Suggest(std::string_view word,
                    absl::Span<const std::string_view> candidates) {
  if (word.empty() || word.size() > kLongestWord) return "";
  const std::string folded = Fold(word);
  const int limit = folded.size() <= 4 ? 1 : 2;
  int best_distance = limit + 1;
  std::string_view best;
  for (const std::string_view candidate : candidates) {
    const std::string other = Fold(candidate);
    int distance = EditDistance(folded, other);
    if (distance > limit &&
        (IsBeginning(folded, other) || IsBeginning(other, folded))) {
      distance = limit;
    }
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return std::string(best);
}

std::string DidYouMean(std::string_view word,
                       absl::Span<const std::string_view> candidates) {
  const std::string suggestion = Suggest(word, candidates);
  return suggestion.empty() ? "" : "; did you mean '" + suggestion + "'?";
}

}  // namespace weir
