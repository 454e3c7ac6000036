// Public. Whether clients speak first, as seen by those before.

#ifndef PROXY_RELAY_EARLY_READS_H_
#define PROXY_RELAY_EARLY_READS_H_

#include <cstdint>

namespace weir {

// A client's first bytes can be read as soon as it is accepted, and written as
// soon as the upstream is connected, which spares a wait. Where the upstream
// speaks first, or the bytes come later, the look costs a call for nothing: so
// it is made only each kInterval-th time when kMisses in a row found nothing.
// One forward's on one loop; loop thread only.
class EarlyReads {
 public:
  static constexpr uint8_t kMisses = 8;
  static constexpr uint8_t kInterval = 16;

  // Asked for each connection once; true: look, and tell Saw().
  bool Wanted() {
    if (misses_ < kMisses) return true;
    passed_ = static_cast<uint8_t>((passed_ + 1) % kInterval);
    return passed_ == 0;
  }
  void Saw(bool something) {
    if (something) {
      misses_ = 0;
    } else if (misses_ < kMisses) {
      ++misses_;
    }
  }

 private:
  uint8_t misses_ = 0;  // in a row, up to kMisses
  uint8_t passed_ = 0;  // connections without a look since the last one
};

}  // namespace weir

#endif  // PROXY_RELAY_EARLY_READS_H_
