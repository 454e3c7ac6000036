// Public. An overview as lines for people.

#ifndef PROXY_CLIENT_OVERVIEW_TEXT_H_
#define PROXY_CLIENT_OVERVIEW_TEXT_H_

#include <optional>
#include <string>
#include <vector>

#include "proxy/client/overview.h"

namespace weir {

// "50us", "2.50ms", "1.20s"; ">10s" beyond all buckets, "-" for nothing.
std::string LagText(const std::optional<double>& seconds);
// "3.41s", "2h05m".
std::string TimeText(double seconds);
// "12.3KiB".
std::string BytesText(double bytes);
// "312ms cpu relay pg#17 in weir::Session::Relay()": how long, why, who.
std::string StallText(const StallReading& stall);

// "weir 0.1.0  pid 4242  up 3h12m  ready  17 connections  127.0.0.1:9464"
std::string HeaderText(const Overview& overview, const std::string& address);
// Headings and a line a loop; a line that says so where nothing is measured.
// With `bars`, for a terminal, the busy share is drawn too.
std::vector<std::string> LoopLines(const Overview& overview, bool bars);
// Headings and a line a forward: totals since the start.
std::vector<std::string> ForwardLines(const Overview& overview);
// The same with what happens in a second.
std::vector<std::string> ForwardRateLines(const Overview& overview);

// What `weir status` prints, with line ends.
std::string StatusText(const Overview& overview, const std::string& address);

}  // namespace weir

#endif  // PROXY_CLIENT_OVERVIEW_TEXT_H_
