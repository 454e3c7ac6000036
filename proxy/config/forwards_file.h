// Internal to config. The forwards of a file, as text: whoever has it read it.

#ifndef PROXY_CONFIG_FORWARDS_FILE_H_
#define PROXY_CONFIG_FORWARDS_FILE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "proxy/config/forward_parser.h"
#include "proxy/config/forward_spec.h"

namespace weir {

// In the order of the file, each with its place; none is no error. A line is a
// forward or nothing. '#' at its start or after white space begins a comment;
// within a word it is a part of that, so that a forward reads the same here and
// on a command line. White space around, CRLF, a byte order mark of UTF-8 and
// the lack of a last end of line do not matter.
//
// InvalidArgument for the first line that is wrong: that of ParseForward()
// (forward_spec.h) behind "FILE:LINE: ".
absl::StatusOr<std::vector<ParsedForward>> ParseForwardsFile(
    const ForwardsFile& file);

}  // namespace weir

#endif  // PROXY_CONFIG_FORWARDS_FILE_H_
