// Public. Text that came from elsewhere, made harmless for a terminal and a
// log.

#ifndef PROXY_OBSERVE_ESCAPE_H_
#define PROXY_OBSERVE_ESCAPE_H_

#include <string>
#include <string_view>

namespace weir {

// Appends `text` with each byte written as \xNN that could end a line, move a
// cursor, reorder what is shown, or that is not UTF-8: controls (C0, DEL, C1),
// line and paragraph separators, bidirectional overrides, malformed sequences.
// A backslash becomes two, so what is printed means one text only. The result
// is valid UTF-8 and at most four times as long.
void AppendEscaped(std::string_view text, std::string* out);

}  // namespace weir

#endif  // PROXY_OBSERVE_ESCAPE_H_
