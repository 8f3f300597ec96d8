// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/blkif/ring.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "services/vmm/guest_word.h"

namespace pyrene::vmm::blkif {

Ring::Ring(std::vector<uint8_t*> pages)
    : pages_(std::move(pages)),
      mask_(EntriesOf(static_cast<uint32_t>(pages_.size())) - 1),
      seen_(GuestAcquire(&header()->rsp_prod)),
      taken_(seen_),
      answered_(seen_),
      published_(seen_) {}

bool Ring::Look() {
  const uint32_t produced = GuestAcquire(&header()->req_prod);
  // Never more than the ring holds, and never back.
  if (produced - answered_ > mask_ + 1 || produced - taken_ > mask_ + 1) return false;
  seen_ = produced;
  return true;
}

template <typename Copy>
void Ring::ForEachPart(uint32_t index, uint32_t bytes, Copy copy) const {
  uint32_t offset = kHeaderBytes + (index & mask_) * kEntryBytes;
  for (uint32_t done = 0; done < bytes;) {
    const uint32_t in_page = offset % kPageBytes;
    const uint32_t part = std::min(bytes - done, kPageBytes - in_page);
    copy(pages_[offset / kPageBytes] + in_page, done, part);
    done += part;
    offset += part;
  }
}

void Ring::Peek(Request* request) const {
  auto* to = reinterpret_cast<uint8_t*>(request);
  ForEachPart(taken_, sizeof(*request), [to](const uint8_t* from, uint32_t done, uint32_t part) {
    GuestCopy(to + done, from, part);
  });
}

void Ring::Put(const Response& response) {
  const auto* from = reinterpret_cast<const uint8_t*>(&response);
  ForEachPart(answered_, sizeof(response), [from](uint8_t* to, uint32_t done, uint32_t part) {
    GuestCopy(to, from + done, part);
  });
  ++answered_;
}

bool Ring::Publish() {
  const uint32_t before = std::exchange(published_, answered_);
  if (before == answered_) return false;
  __atomic_store_n(&header()->rsp_prod, answered_, __ATOMIC_RELEASE);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint32_t event = GuestAcquire(&header()->rsp_event);
  return answered_ - event < answered_ - before;
}

bool Ring::Sleep() {
  __atomic_store_n(&header()->req_event, taken_ + 1, __ATOMIC_RELEASE);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return GuestAcquire(&header()->req_prod) == taken_;
}

}  // namespace pyrene::vmm::blkif
