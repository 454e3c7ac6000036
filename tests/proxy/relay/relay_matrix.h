// The relay test matrix: what must hold at the ends of streams and connections,
// row by row, on each poller, and again under a kernel that makes noise, with
// splicing forced and with none.
//
// A test is named after its row of the catalogue of edge cases (C: ends of
// streams, K: connecting, A: accepting, S: splicing); tests/mutants/run prints
// the table.

#ifndef TESTS_PROXY_RELAY_RELAY_MATRIX_H_
#define TESTS_PROXY_RELAY_RELAY_MATRIX_H_

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "reactor/poller.h"
#include "tests/support/relay_rig.h"

namespace weir {

struct RelayCase {
  PollerKind poller;
  SpliceMode splice = SpliceMode::kAuto;
  bool noise = false;
};

// Tests that hold whatever the kernel does between its promises.
class RelayMatrix : public testing::TestWithParam<RelayCase> {
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
    options.poller = GetParam().poller;
    options.spec.splice = GetParam().splice;
    // Wherever no call is counted: each of their ends has its line.
    if (noisy() && !options.access.has_value()) {
      options.access = {.ring_bytes = 1 << 16};
    }
    rig_ = std::make_unique<RelayRig>(std::move(options));
    if (noisy()) rig_->kernel().MakeNoise(Seed());
    return *rig_;
  }
  RelayRig& Make(const Wire& wire) { return Make({.wire = wire}); }

  bool noisy() const { return GetParam().noise; }
  bool Spliced() const { return GetParam().splice == SpliceMode::kOn; }
  bool IsSelect() const { return GetParam().poller == PollerKind::kSelect; }
  bool IsEpoll() const { return GetParam().poller == PollerKind::kEpoll; }

 private:
  static uint64_t Seed() {
    const char* seed = std::getenv("WEIR_TEST_SEED");
    return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
  }

  std::unique_ptr<RelayRig> rig_;
};

// Tests that count calls or inject faults of their own: without noise.
class RelayCalls : public RelayMatrix {};

// Tests of splicing, which is forced, with noise and without.
class RelaySplice : public RelayMatrix {};

inline std::string MatrixName(const testing::TestParamInfo<RelayCase>& info) {
  return std::string(PollerName(info.param.poller));
}

// On each poller. The rest: of RelayCase.
#define WEIR_RELAY_CASES(...)                                  \
  testing::Values(RelayCase{PollerKind::kEpoll, __VA_ARGS__},  \
                  RelayCase{PollerKind::kPoll, __VA_ARGS__},   \
                  RelayCase{PollerKind::kSelect, __VA_ARGS__}, \
                  RelayCase{PollerKind::kIoUring, __VA_ARGS__})
#define INSTANTIATE_RELAY_MATRIX()                                           \
  INSTANTIATE_TEST_SUITE_P(All, RelayMatrix,                                 \
                           WEIR_RELAY_CASES(SpliceMode::kAuto), MatrixName); \
  INSTANTIATE_TEST_SUITE_P(Noise, RelayMatrix,                               \
                           WEIR_RELAY_CASES(SpliceMode::kAuto, true),        \
                           MatrixName);                                      \
  INSTANTIATE_TEST_SUITE_P(Copied, RelayMatrix,                              \
                           WEIR_RELAY_CASES(SpliceMode::kOff), MatrixName);  \
  INSTANTIATE_TEST_SUITE_P(Spliced, RelayMatrix,                             \
                           WEIR_RELAY_CASES(SpliceMode::kOn), MatrixName);   \
  INSTANTIATE_TEST_SUITE_P(SplicedNoise, RelayMatrix,                        \
                           WEIR_RELAY_CASES(SpliceMode::kOn, true),          \
                           MatrixName)
#define INSTANTIATE_RELAY_SPLICE()                                         \
  INSTANTIATE_TEST_SUITE_P(All, RelaySplice,                               \
                           WEIR_RELAY_CASES(SpliceMode::kOn), MatrixName); \
  INSTANTIATE_TEST_SUITE_P(                                                \
      Noise, RelaySplice, WEIR_RELAY_CASES(SpliceMode::kOn, true), MatrixName)
#define INSTANTIATE_RELAY_CALLS()           \
  INSTANTIATE_TEST_SUITE_P(All, RelayCalls, \
                           WEIR_RELAY_CASES(SpliceMode::kAuto), MatrixName)

}  // namespace weir

#endif  // TESTS_PROXY_RELAY_RELAY_MATRIX_H_
