// Internal to config. What --help, --version and a bare `weir` print.

#ifndef PROXY_CONFIG_HELP_TEXT_H_
#define PROXY_CONFIG_HELP_TEXT_H_

#include <string>

namespace weir {

// The whole of --help, ends with a newline. At most 80 columns.
std::string HelpText();

// "weir 0.1.0\n"
std::string VersionText();

// For a call without anything to forward: what is missing, and the three
// commonest examples; several lines, no newline at the end.
std::string ShortUsage();

}  // namespace weir

#endif  // PROXY_CONFIG_HELP_TEXT_H_
