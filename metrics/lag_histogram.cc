#include "metrics/lag_histogram.h"

#include <algorithm>
#include <numeric>

namespace weir {
namespace {

constexpr uint64_t kNanosPerArrival = 1'000'000;
constexpr double kSecondsPerNano = 1e-9;
// One arrival a millisecond: the sum over arrivals is this often the integral.
constexpr double kArrivalsPerSecond = 1e3;

// The time that an iteration of `busy` nanoseconds spends in each bucket: calls
// add(bucket, nanoseconds). Most iterations are short and end in the first one.
template <class Add>
void Spread(int64_t busy, Add add) {
  int64_t lower = 0;
  for (size_t j = 0; j < LagHistogram::kBounds.size(); ++j) {
    const int64_t upper = LagHistogram::kBounds[j];
    if (busy <= upper) {
      add(j, static_cast<uint64_t>(busy - lower));
      return;
    }
    add(j, static_cast<uint64_t>(upper - lower));
    lower = upper;
  }
  add(LagHistogram::kBounds.size(), static_cast<uint64_t>(busy - lower));
}

// The integral of the lag over an iteration, in seconds squared.
double HalfSquare(int64_t busy) {
  const double seconds = static_cast<double>(busy) * kSecondsPerNano;
  return seconds * seconds / 2;
}

// Adds to a number that only the calling thread writes. Release: see the
// header.
template <class T>
void Bump(std::atomic<T>& number, T by) {
  number.store(number.load(std::memory_order_relaxed) + by,
               std::memory_order_release);
}

}  // namespace

uint64_t LagHistogram::Snapshot::TotalNanos() const {
  return std::accumulate(bucket_ns.begin(), bucket_ns.end(), uint64_t{0});
}

void LagHistogram::Advance(Phase next, int64_t now) {
  const int64_t spent = now - since_.load(std::memory_order_relaxed);
  switch (phase_.load(std::memory_order_relaxed)) {
    case Phase::kOff:
      break;
    case Phase::kWaiting:
      Bump(bucket_ns_[0], static_cast<uint64_t>(spent));
      break;
    case Phase::kBusy:
      Spread(spent, [this](size_t bucket, uint64_t ns) {
        Bump(bucket_ns_[bucket], ns);
      });
      Bump(lag_integral_, HalfSquare(spent));
      Bump(busy_ns_, static_cast<uint64_t>(spent));
      Bump(iterations_, uint64_t{1});
      break;
  }
  phase_.store(next, std::memory_order_release);
  since_.store(now, std::memory_order_release);
}

LagHistogram::Snapshot LagHistogram::LoadFinished() const {
  Snapshot finished;
  for (size_t j = 0; j < kBuckets; ++j) {
    finished.bucket_ns[j] = bucket_ns_[j].load(std::memory_order_acquire);
  }
  finished.lag_integral = lag_integral_.load(std::memory_order_acquire);
  finished.busy_ns = busy_ns_.load(std::memory_order_acquire);
  finished.iterations = iterations_.load(std::memory_order_acquire);
  finished.phase = phase_.load(std::memory_order_acquire);
  finished.since_ns = since_.load(std::memory_order_acquire);
  return finished;
}

LagHistogram::Snapshot LagHistogram::Fold(Snapshot finished, int64_t now) {
  const int64_t spent = std::max<int64_t>(now - finished.since_ns, 0);
  switch (finished.phase) {
    case Phase::kOff:
      break;
    case Phase::kWaiting:
      finished.bucket_ns[0] += static_cast<uint64_t>(spent);
      break;
    case Phase::kBusy:
      Spread(spent, [&finished](size_t bucket, uint64_t ns) {
        finished.bucket_ns[bucket] += ns;
      });
      finished.lag_integral += HalfSquare(spent);
      finished.busy_ns += static_cast<uint64_t>(spent);
      finished.age_ns = static_cast<uint64_t>(spent);
      break;
  }
  return finished;
}

LagSample LagSample::From(const LagHistogram::Snapshot& snapshot) {
  LagSample sample;
  uint64_t nanos = 0;
  for (size_t j = 0; j < LagHistogram::kBuckets; ++j) {
    nanos += snapshot.bucket_ns[j];
    sample.cumulative[j] = nanos / kNanosPerArrival;
  }
  sample.sum_seconds = snapshot.lag_integral * kArrivalsPerSecond;
  return sample;
}

void LagSample::RaiseTo(const LagSample& older) {
  for (size_t j = 0; j < cumulative.size(); ++j) {
    cumulative[j] = std::max(cumulative[j], older.cumulative[j]);
  }
  sum_seconds = std::max(sum_seconds, older.sum_seconds);
}

void LagSample::Add(const LagSample& other) {
  for (size_t j = 0; j < cumulative.size(); ++j) {
    cumulative[j] += other.cumulative[j];
  }
  sum_seconds += other.sum_seconds;
}

}  // namespace weir
