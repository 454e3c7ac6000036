// The relay test matrix: what must hold at the ends of streams and connections,
// row by row, on each poller, and once more under a kernel that makes noise.
//
// A test is named after its row of the catalogue of edge cases (C: ends of
// streams, K: connecting, A: accepting); tests/mutants/run prints the table.

#ifndef TESTS_PROXY_RELAY_RELAY_MATRIX_H_
#define TESTS_PROXY_RELAY_RELAY_MATRIX_H_

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "reactor/poller.h"
#include "tests/support/relay_rig.h"

namespace weir {

// Tests that hold whatever the kernel does between its promises.
class RelayMatrix : public testing::TestWithParam<std::pair<PollerKind, bool>> {
 protected:
  void TearDown() override {
    rig_.reset();
    if (HasFailure() && noisy()) {
      ADD_FAILURE() << "the noise was WEIR_TEST_SEED=" << Seed();
    }
  }

  // A new rig; the one before is finished first, so its peers must be closed.
  RelayRig& Make(RelayRig::Options options = {}) {
    rig_.reset();
    options.poller = GetParam().first;
    rig_ = std::make_unique<RelayRig>(std::move(options));
    if (noisy()) rig_->kernel().MakeNoise(Seed());
    return *rig_;
  }
  RelayRig& Make(const Wire& wire) { return Make({.wire = wire}); }

  bool noisy() const { return GetParam().second; }
  bool IsSelect() const { return GetParam().first == PollerKind::kSelect; }
  bool IsEpoll() const { return GetParam().first == PollerKind::kEpoll; }

 private:
  static uint64_t Seed() {
    const char* seed = std::getenv("WEIR_TEST_SEED");
    return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
  }

  std::unique_ptr<RelayRig> rig_;
};

// Tests that count calls or inject faults of their own: without noise.
class RelayCalls : public RelayMatrix {};

inline std::string MatrixName(
    const testing::TestParamInfo<std::pair<PollerKind, bool>>& info) {
  return std::string(PollerName(info.param.first));
}

// `prefix`: All, or Noise for the second run under noise.
#define WEIR_RELAY_PARAMS(noise)                         \
  testing::Values(std::pair(PollerKind::kEpoll, noise),  \
                  std::pair(PollerKind::kPoll, noise),   \
                  std::pair(PollerKind::kSelect, noise), \
                  std::pair(PollerKind::kIoUring, noise))
#define INSTANTIATE_RELAY_MATRIX()                                      \
  INSTANTIATE_TEST_SUITE_P(All, RelayMatrix, WEIR_RELAY_PARAMS(false),  \
                           MatrixName);                                 \
  INSTANTIATE_TEST_SUITE_P(Noise, RelayMatrix, WEIR_RELAY_PARAMS(true), \
                           MatrixName)
#define INSTANTIATE_RELAY_CALLS()                                     \
  INSTANTIATE_TEST_SUITE_P(All, RelayCalls, WEIR_RELAY_PARAMS(false), \
                           MatrixName)

}  // namespace weir

#endif  // TESTS_PROXY_RELAY_RELAY_MATRIX_H_
