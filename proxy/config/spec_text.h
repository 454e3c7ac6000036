// Internal to config. The text of one spec, and errors that point into it.

#ifndef PROXY_CONFIG_SPEC_TEXT_H_
#define PROXY_CONFIG_SPEC_TEXT_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace weir {

// `text` with everything that a terminal would act upon (control characters,
// bytes that are not UTF-8) replaced by '?', one for each byte.
std::string Printable(std::string_view text);

// `text` in quotes, for messages.
std::string Quote(std::string_view text);

// Parsers cut the text into views of it, and hand a view back to say where an
// error is. Does not own the text.
class SpecText {
 public:
  explicit SpecText(std::string_view text) : text_(text) {}

  std::string_view text() const { return text_; }

  // InvalidArgument with three lines: the message, the spec, a caret under the
  // first character of `spot`, which must be a view into text() (an empty one
  // at its end too).
  absl::Status Error(std::string_view spot, std::string_view message) const;

  // The text from the start of `from` on, and up to the start of `to`.
  std::string_view Before(std::string_view to) const;
  std::string_view After(std::string_view from) const;

 private:
  std::string_view text_;
};

}  // namespace weir

#endif  // PROXY_CONFIG_SPEC_TEXT_H_
