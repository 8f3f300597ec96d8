// SPDX-License-Identifier: Apache-2.0
//
// The back-end's side of one blkif ring (ABI 7). The guest writes to its pages at any time: an
// entry is copied once and only the copy is used, an index is loaded once and checked; what of the
// ring is the back-end's is kept here and never read back.
//
// Between front and back:
//
//   guest: entry, req_prod (release), notify if it passed req_event
//   back:  HasRequest, Take; Put, Publish: rsp_prod (release), full barrier, notify if it passed
//          rsp_event; Sleep: req_event, full barrier, then req_prod once more
#pragma once

#include <cstdint>
#include <vector>

#include "services/vmm/blkif/interface.h"

namespace pyrene::vmm::blkif {

class Ring {
 public:
  // A power of two of pages, which stay mapped for the ring's life. Goes on where the ring is:
  // what is answered counts as done.
  explicit Ring(std::vector<uint8_t*> pages);

  // Whether the guest's index is possible. False: the ring is not to be used any more.
  bool Look();
  // Of what the last Look saw.
  bool HasRequest() const { return taken_ != seen_; }
  // Copies the next one; it counts as taken when Taken is called.
  void Peek(Request* request) const;
  void Taken() { ++taken_; }

  // At most one for each taken request.
  void Put(const Response& response);
  // Shows the guest what was put. True: it is to be notified.
  bool Publish();

  // Asks to be notified of the next request. False: there is one by now.
  bool Sleep();

 private:
  RingHeader* header() const { return reinterpret_cast<RingHeader*>(pages_[0]); }
  // Bytes of entry `index`, which may lie in two pages.
  template <typename Copy>
  void ForEachPart(uint32_t index, uint32_t bytes, Copy copy) const;

  const std::vector<uint8_t*> pages_;
  const uint32_t mask_;
  uint32_t seen_ = 0;       // req_prod
  uint32_t taken_ = 0;      // requests
  uint32_t answered_ = 0;   // responses put
  uint32_t published_ = 0;  // and shown
};

}  // namespace pyrene::vmm::blkif
