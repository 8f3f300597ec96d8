// SPDX-License-Identifier: Apache-2.0
//
// The guest's end of its XenStore ring: one small request, and its reply, at a time.
#pragma once

#include <cstdint>

namespace pyrene::guest::bench {

class StoreRing {
 public:
  // Fails the measurement if there is none.
  StoreRing();

  uint32_t port() const { return port_; }
  // Writes a request that asks little of xenstore; not yet announced.
  void PutRequest();
  // Takes the reply if all of it is there.
  bool TakeReply();

 private:
  struct Page;
  Page* page_;
  uint32_t port_;
};

}  // namespace pyrene::guest::bench
