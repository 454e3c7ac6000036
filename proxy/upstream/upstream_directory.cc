#include "proxy/upstream/upstream_directory.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/address.h"
#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/timer_wheel.h"

namespace weir {
namespace {

// Between the beginnings of two look-ups, and before the first repetition.
constexpr Duration kMinInterval = std::chrono::seconds(1);
constexpr Duration kMaxBackoff = std::chrono::seconds(30);
// A name that is missing this often in a row is believed to be gone (D01).
constexpr int kMissesToBelieve = 3;

absl::StatusOr<Address> UnixAddress(const std::string& path) {
  if (path.starts_with('@')) return Address::UnixAbstract(path.substr(1));
  return Address::UnixPath(path);
}

// The address of a target that needs no look-up, or why there is none.
// NotFound: it is a name.
absl::StatusOr<Address> Literal(const TargetSpec& spec) {
  if (spec.kind == TargetSpec::Kind::kUnix) return UnixAddress(spec.path);
  absl::StatusOr<Address> address = ParseIpAddress(spec.host, spec.port);
  // No name has a colon: this one tried to be an address (its zone may be of an
  // interface that is not there yet).
  if (address.ok() || spec.host.find(':') != std::string::npos) return address;
  return absl::NotFoundError(spec.host);
}

}  // namespace

// Looks its name up when its timer fires; between look-ups the timer says
// whether and when there is a next one.
class UpstreamDirectory::Target final : public Timer {
 public:
  Target(Reactor* reactor, UpstreamDirectory* directory, size_t index,
         TargetSpec spec)
      : reactor_(reactor),
        directory_(directory),
        index_(index),
        spec_(std::move(spec)),
        list_(std::make_shared<AddressList>()) {}

  void Start() { LookUp(); }

  void ResolveAgain() {
    if (fixed_ || running_ || scheduled()) return;
    reactor_->Schedule(this, std::max(begun_ + kMinInterval, reactor_->Now()));
  }

  const AddressListPtr& list() const { return list_; }

 private:
  void OnTimer() noexcept override {
    reactor_->Describe(CallbackKind::kDns, {static_cast<uint32_t>(index_), 0});
    LookUp();
  }

  void LookUp() {
    running_ = true;
    begun_ = reactor_->clock().Now();
    absl::StatusOr<Address> literal = Literal(spec_);
    if (literal.ok()) {
      fixed_ = true;
      Finish(std::vector<Address>{*std::move(literal)});
    } else if (!absl::IsNotFound(literal.status())) {
      Finish(literal.status());
    } else {
      directory_->resolver_->Resolve(
          spec_.host, spec_.port,
          [this](absl::StatusOr<std::vector<Address>> result) {
            directory_->metrics_.Count(result.status().code());
            Finish(std::move(result));
          });
    }
  }

  void Finish(absl::StatusOr<std::vector<Address>> result) {
    running_ = false;
    auto next = std::make_shared<AddressList>();
    next->generation = list_->generation + 1;
    if (result.ok()) {
      misses_ = 0;
      backoff_ = kMinInterval;
      next->addresses = *std::move(result);
    } else {
      misses_ = absl::IsNotFound(result.status()) ? misses_ + 1 : 0;
      if (misses_ < kMissesToBelieve) next->addresses = list_->addresses;
      next->error = std::string(result.status().message());
      reactor_->Schedule(this, reactor_->clock().Now() + backoff_);
      backoff_ = std::min(2 * backoff_, kMaxBackoff);
    }
    list_ = std::move(next);
    directory_->publish_(index_, list_);
  }

  Reactor* const reactor_;
  UpstreamDirectory* const directory_;
  const size_t index_;
  const TargetSpec spec_;
  AddressListPtr list_;
  bool fixed_ = false;    // an address literal or a path
  bool running_ = false;  // a look-up
  MonoTime begun_{};      // the last look-up
  Duration backoff_ = kMinInterval;
  int misses_ = 0;  // answers in a row that the name does not exist
};

UpstreamDirectory::UpstreamDirectory(Reactor* control,
                                     std::unique_ptr<Resolver> resolver,
                                     const std::vector<TargetSpec>& targets,
                                     Publish publish)
    : publish_(std::move(publish)), resolver_(std::move(resolver)) {
  for (const TargetSpec& spec : targets) {
    targets_.push_back(
        std::make_unique<Target>(control, this, targets_.size(), spec));
  }
}

UpstreamDirectory::~UpstreamDirectory() = default;

void UpstreamDirectory::Start() {
  for (const auto& target : targets_) target->Start();
}

void UpstreamDirectory::ResolveAgain(size_t target) {
  targets_.at(target)->ResolveAgain();
}

AddressListPtr UpstreamDirectory::Current(size_t target) const {
  return targets_.at(target)->list();
}

}  // namespace weir
