// Internal to config. "Did you mean": the nearest of some known words.

#ifndef PROXY_CONFIG_SUGGEST_H_
#define PROXY_CONFIG_SUGGEST_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace weir {

// How many insertions, deletions, changes of one character and swaps of two
// neighbours lead from `a` to `b` (optimal string alignment).
int EditDistance(std::string_view a, std::string_view b);

// The candidate that `word` most likely meant: at most two edits away (one for
// words of up to four characters), or one of the two is the beginning of the
// other (three characters or more). Capitals and '-' against '_' do not count.
// Empty when nothing is near; the first candidate wins a tie.
std::string Suggest(std::string_view word,
                    absl::Span<const std::string_view> candidates);

// "; did you mean 'idle'?", or nothing.
std::string DidYouMean(std::string_view word,
                       absl::Span<const std::string_view> candidates);

}  // namespace weir

#endif  // PROXY_CONFIG_SUGGEST_H_
