#include "proxy/observe/escape.h"

#include <cstddef>
#include <cstdint>

namespace weir {
namespace {

// A character at the start of a text. size 0: no well-formed UTF-8 there.
struct Character {
  uint32_t code = 0;
  size_t size = 0;
};

uint8_t ByteAt(std::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

Character Decode(std::string_view text) {
  const uint8_t lead = ByteAt(text, 0);
  if (lead < 0x80) return {lead, 1};
  size_t size = 0;
  uint32_t code = 0;
  uint32_t least = 0;  // shorter forms exist for less
  if ((lead & 0xe0) == 0xc0) {
    size = 2, code = lead & 0x1f, least = 0x80;
  } else if ((lead & 0xf0) == 0xe0) {
    size = 3, code = lead & 0x0f, least = 0x800;
  } else if ((lead & 0xf8) == 0xf0) {
    size = 4, code = lead & 0x07, least = 0x10000;
  }
  if (size == 0 || text.size() < size) return {};
  for (size_t i = 1; i < size; ++i) {
    const uint8_t byte = ByteAt(text, i);
    if ((byte & 0xc0) != 0x80) return {};
    code = code << 6 | (byte & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < least || code > 0x10ffff || surrogate) return {};
  return {code, size};
}

bool IsHarmless(uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return false;
  if (code == 0x200e || code == 0x200f || code == 0x061c)
    return false;                                      // marks
  if (code >= 0x2028 && code <= 0x202e) return false;  // separators, overrides
  if (code >= 0x2066 && code <= 0x2069) return false;  // isolates
  return true;
}

void AppendHex(uint8_t byte, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out->append("\\x");
  out->push_back(kDigits[byte >> 4]);
  out->push_back(kDigits[byte & 15]);
}

}  // namespace

void AppendEscaped(std::string_view text, std::string* out) {
  while (!text.empty()) {
    const Character next = Decode(text);
    const size_t size = next.size == 0 ? 1 : next.size;
    if (next.size == 0 || !IsHarmless(next.code)) {
      for (size_t i = 0; i < size; ++i) AppendHex(ByteAt(text, i), out);
    } else if (next.code == '\\') {
      out->append("\\\\");
    } else {
      out->append(text.data(), size);
    }
    text.remove_prefix(size);
  }
}

}  // namespace weir
