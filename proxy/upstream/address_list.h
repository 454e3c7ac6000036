// Public. What is known about where a target is, at one moment.

#ifndef PROXY_UPSTREAM_ADDRESS_LIST_H_
#define PROXY_UPSTREAM_ADDRESS_LIST_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "reactor/address.h"

namespace weir {

// Immutable once shared.
struct AddressList {
  // In the order in which they are tried. Empty: the name is not resolved yet
  // (and `error` is empty too), or could not be.
  std::vector<Address> addresses;
  // Grows with each look-up that ended; 0: none has.
  uint64_t generation = 0;
  // Why the last look-up failed, for people; empty when it did not. A failure
  // keeps the addresses of the last success.
  std::string error;
};

// Made on the control loop and posted to the reactors. Never null.
using AddressListPtr = std::shared_ptr<const AddressList>;

}  // namespace weir

#endif  // PROXY_UPSTREAM_ADDRESS_LIST_H_
