#include "proxy/client/key_reader.h"

#include <cstddef>
#include <optional>

namespace weir {
namespace {

constexpr char kEsc = '\x1b';
constexpr size_t kLongest = 16;  // bytes of a sequence; a longer one is none

struct Sequence {
  std::string_view bytes;  // without ESC and the '[' or 'O' after it
  Key::Kind kind;
};

// What xterm, the Linux console, tmux and screen send.
constexpr Sequence kSequences[] = {
    {"A", Key::Kind::kUp},      {"B", Key::Kind::kDown},
    {"H", Key::Kind::kHome},    {"F", Key::Kind::kEnd},
    {"1~", Key::Kind::kHome},   {"4~", Key::Kind::kEnd},
    {"7~", Key::Kind::kHome},   {"8~", Key::Kind::kEnd},
    {"5~", Key::Kind::kPageUp}, {"6~", Key::Kind::kPageDown},
};

std::optional<Key> Control(char c) {
  switch (c) {
    case '\r':
    case '\n':
      return Key{Key::Kind::kEnter};
    case '\b':
    case '\x7f':
      return Key{Key::Kind::kBackspace};
    case '\x03':
      return Key{Key::Kind::kInterrupt};
    case '\x1a':
      return Key{Key::Kind::kSuspend};
    default:
      return {};
  }
}

// The length of the sequence that `bytes` begins with, its ESC and the byte
// that ends it included; 0: it goes on.
size_t LengthOf(std::string_view bytes) {
  for (size_t i = 2; i < bytes.size(); ++i) {
    if (bytes[i] >= '\x40' && bytes[i] <= '\x7e') return i + 1;
    if (i >= kLongest) return i;
  }
  return 0;
}

}  // namespace

std::vector<Key> KeyReader::Take(std::string_view bytes) {
  const std::string all = pending_ + std::string(bytes);
  pending_.clear();
  std::vector<Key> keys;
  for (size_t i = 0; i < all.size();) {
    const std::string_view rest = std::string_view(all).substr(i);
    if (rest[0] != kEsc) {
      const std::optional<Key> control = Control(rest[0]);
      if (control.has_value()) {
        keys.push_back(*control);
      } else if (rest[0] >= ' ' && rest[0] <= '~') {
        keys.push_back({Key::Kind::kText, rest[0]});
      }
      ++i;
      continue;
    }
    if (rest.size() == 1 || (rest[1] != '[' && rest[1] != 'O')) {
      keys.push_back({Key::Kind::kEscape});
      ++i;
      continue;
    }
    const size_t length = LengthOf(rest);
    if (length == 0) {
      pending_ = rest;
      break;
    }
    for (const Sequence& sequence : kSequences) {
      if (rest.substr(2, length - 2) == sequence.bytes) {
        keys.push_back({sequence.kind});
      }
    }
    i += length;
  }
  return keys;
}

}  // namespace weir
