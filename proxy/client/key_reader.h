// Public. What a terminal sends, as keys.

#ifndef PROXY_CLIENT_KEY_READER_H_
#define PROXY_CLIENT_KEY_READER_H_

#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct Key {
  enum class Kind {
    kText,  // one character
    kEnter,
    kEscape,
    kBackspace,
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kInterrupt,  // Ctrl-C
    kSuspend,    // Ctrl-Z
  };
  Kind kind = Kind::kText;
  char text = 0;  // printable ASCII; 0 for other kinds

  friend bool operator==(const Key& a, const Key& b) {
    return a.kind == b.kind && a.text == b.text;
  }
};

// One thread.
class KeyReader {
 public:
  // The keys of one read(2). A sequence may be spread over two; an ESC at the
  // very end is the key of that name. What is none of the keys above is left
  // out.
  std::vector<Key> Take(std::string_view bytes);

 private:
  std::string pending_;  // the begin of a sequence
};

}  // namespace weir

#endif  // PROXY_CLIENT_KEY_READER_H_
