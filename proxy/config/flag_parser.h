// Internal to config. Arguments, environment and flag files into gflags'
// registry.

#ifndef PROXY_CONFIG_FLAG_PARSER_H_
#define PROXY_CONFIG_FLAG_PARSER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace weir {

struct ParsedFlags {
  std::vector<std::string> arguments;  // what is not a flag, in order
  // The flags that `args` gave, with the registry's names, in order.
  std::vector<std::string_view> flags;
  bool help = false;     // -h, --help
  bool version = false;  // --version
};

// `args` without the program's name: --flag=value, --flag value, --flag and
// --noflag for bools, one dash or two, '-' for '_'; -v is --verbose; after "--"
// nothing is a flag. `env` has NAME=VALUE items: WEIR_<FLAG> sets a flag,
// WEIR_FLAGFILE names a flag file. A flag file (--flagfile, which may come more
// than once) has one --flag=value a line, and '#' comments.
//
// A flag wins over the environment, that over a flag file; of one kind the last
// counts. With help or version asked for nothing is read or set.
// InvalidArgument (one line that names the flag, and the file and line it
// stands in) for unknown flags, values of the wrong kind, and variables that
// are near a flag's name without being one; other WEIR_ variables are left
// alone, for orchestrators make some up (WEIR_SERVICE_HOST).
absl::StatusOr<ParsedFlags> ParseFlags(absl::Span<const std::string> args,
                                       absl::Span<const std::string> env);

}  // namespace weir

#endif  // PROXY_CONFIG_FLAG_PARSER_H_
