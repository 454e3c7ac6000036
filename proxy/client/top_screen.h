// Public. `weir top` as lines of a screen.

#ifndef PROXY_CLIENT_TOP_SCREEN_H_
#define PROXY_CLIENT_TOP_SCREEN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "proxy/client/overview.h"
#include "proxy/client/top_model.h"

namespace weir {

struct ScreenLine {
  enum class Style {
    kPlain,
    kHeading,   // bold
    kSelected,  // reversed
    kAlarm,     // red, where colours are wanted
  };
  std::string text;
  Style style = Style::kPlain;
};

// Of a terminal, in characters.
struct ScreenSize {
  size_t rows = 24;
  size_t columns = 80;
};

// At most size.rows lines of at most size.columns, the last one the keys, or
// what is asked. `message` stands above it: an error, or what was done.
std::vector<ScreenLine> TopScreen(const Overview& overview,
                                  const TopModel& model,
                                  const std::string& address,
                                  const std::string& message,
                                  const ScreenSize& size);

// The same for what is no terminal: all of it, whatever its size, without keys.
std::string TopSnapshot(const Overview& overview, const TopModel& model,
                        const std::string& address);

}  // namespace weir

#endif  // PROXY_CLIENT_TOP_SCREEN_H_
