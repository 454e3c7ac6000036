// Public. The status page, embedded: no file is read, no network is needed.

#ifndef PROXY_OBSERVE_PAGE_PAGE_H_
#define PROXY_OBSERVE_PAGE_PAGE_H_

#include <string_view>

#include "absl/types/span.h"

namespace weir {

// A file of the page.
struct PageFile {
  std::string_view path;  // as a browser asks for it, "/page.css"
  std::string_view content_type;
  std::string_view body;
};

// All of them, "/" first; the page loads no other. They live as long as the
// process. Any thread.
absl::Span<const PageFile> PageFiles();

}  // namespace weir

#endif  // PROXY_OBSERVE_PAGE_PAGE_H_
