// SPDX-License-Identifier: Apache-2.0
//
// The guest's end of its XenStore ring: one request, and its reply, at a time. A reply that says
// Error fails the measurement.
#pragma once

#include <cstdint>

#include "tests/guest/hypercall.h"

namespace pyrene::guest::bench {

// xsd_sockmsg_type of Xen's public xs_wire.h.
enum class StoreRequest : uint32_t {
  kRead = 2,
  kTransactionStart = 6,
  kTransactionEnd = 7,
  kGetDomainPath = 10,
  kWrite = 11,
};

class StoreRing {
 public:
  static constexpr uint32_t kMostPayload = 64;
  struct Reply {
    uint32_t length;
    char payload[kMostPayload];  // what is longer is cut off
  };

  // Fails the measurement if there is none.
  StoreRing();

  uint32_t port() const { return port_; }
  // Writes a request of at most kMostPayload bytes; not yet announced.
  void Put(StoreRequest type, uint32_t transaction, const char* payload, uint32_t length);
  // Announces it.
  void Send();
  // Takes the reply if all of it is there.
  bool Take(Reply& reply);
  // All of it.
  void Ask(StoreRequest type, uint32_t transaction, const char* payload, uint32_t length,
           Reply& reply);

 private:
  struct Page;
  Page* page_;
  uint32_t port_;
  StoreRequest asked_ = StoreRequest::kRead;
};

}  // namespace pyrene::guest::bench
