// SPDX-License-Identifier: Apache-2.0
#include "proto/ring.h"

#include <algorithm>

#include "runtime/guarded.h"

namespace pyrene::proto {
namespace {

using runtime::FullBarrier;
using runtime::GuardedCopy;
using runtime::GuardedLoad;
using runtime::GuardedStore;

RingResult Flag(const uint32_t* sleeps, bool& set) {
  FullBarrier();  // M2
  uint32_t value;
  if (!GuardedLoad(sleeps, value)) return RingResult::kGone;  // M3
  set = value != 0;
  return RingResult::kOk;
}

// What `look` finds. Before the answer is kWait, `sleeps` has been set and `look` asked once more;
// who has something to do again clears it. `asleep` is what `sleeps` was last set to.
template <typename Look>
RingResult LookOrSleep(uint32_t* sleeps, bool& asleep, Look look) {
  RingResult result = look();
  if (result == RingResult::kWait && !asleep) {
    if (!GuardedStore(sleeps, uint32_t{1})) return RingResult::kGone;  // S1
    FullBarrier();                                                     // S2
    asleep = true;
    result = look();  // S3
  }
  if (result == RingResult::kOk && asleep) {
    if (!GuardedStore(sleeps, uint32_t{0})) return RingResult::kGone;
    asleep = false;
  }
  return result;
}

}  // namespace

RingResult RingProducer::Reset() {
  head_ = 0;
  asleep_ = false;
  const bool ok = GuardedStore(&ring_.producer->head, uint32_t{0}) &&
                  GuardedStore(&ring_.producer->sleeps, uint32_t{0});
  return ok ? RingResult::kOk : RingResult::kGone;
}

RingResult RingProducer::Free(uint32_t& bytes) const {
  uint32_t tail;
  if (!GuardedLoad(&ring_.consumer->tail, tail)) return RingResult::kGone;
  const uint32_t held = head_ - tail;
  if (held > ring_.bytes || held % 8 != 0) return RingResult::kBad;
  bytes = ring_.bytes - held;
  return RingResult::kOk;
}

RingResult RingProducer::Send(const void* message, size_t n) {
  if (n == 0 || n % 8 != 0 || n > kMaxMessageBytes || n + kRecordHeaderBytes > ring_.bytes)
    return RingResult::kTooLarge;
  const uint32_t needed = static_cast<uint32_t>(n) + kRecordHeaderBytes;
  uint32_t free;
  const auto look = [&] {
    const RingResult result = Free(free);
    return result == RingResult::kOk && free < needed ? RingResult::kWait : result;
  };
  const RingResult result = LookOrSleep(&ring_.producer->sleeps, asleep_, look);
  if (result != RingResult::kOk) return result;
  const uint64_t length = n;
  if (!Put(head_, &length, kRecordHeaderBytes) || !Put(head_ + kRecordHeaderBytes, message, n))
    return RingResult::kGone;
  head_ += needed;
  return GuardedStore(&ring_.producer->head, head_) ? RingResult::kOk : RingResult::kGone;  // M1
}

RingResult RingProducer::MustWakePeer(bool& must) const {
  return Flag(&ring_.consumer->sleeps, must);
}

bool RingProducer::Put(uint32_t at, const void* from, size_t n) {
  const uint32_t offset = at & (ring_.bytes - 1);
  const size_t first = std::min<size_t>(n, ring_.bytes - offset);
  return GuardedCopy(ring_.data + offset, from, first) &&
         (first == n ||
          GuardedCopy(ring_.data, static_cast<const uint8_t*>(from) + first, n - first));
}

RingResult RingConsumer::Reset() {
  tail_ = 0;
  asleep_ = true;
  // Until the first Receive says otherwise, every message wakes.
  const bool ok = GuardedStore(&ring_.consumer->tail, uint32_t{0}) &&
                  GuardedStore(&ring_.consumer->sleeps, uint32_t{1});
  return ok ? RingResult::kOk : RingResult::kGone;
}

RingResult RingConsumer::Held(uint32_t& bytes) const {
  uint32_t head;
  if (!GuardedLoad(&ring_.producer->head, head)) return RingResult::kGone;
  bytes = head - tail_;
  if (bytes > ring_.bytes || bytes % 8 != 0) return RingResult::kBad;
  return bytes == 0 ? RingResult::kWait : RingResult::kOk;
}

RingResult RingConsumer::Receive(void* message, size_t& n) {
  uint32_t held;
  const RingResult result =
      LookOrSleep(&ring_.consumer->sleeps, asleep_, [&] { return Held(held); });
  if (result != RingResult::kOk) return result;
  uint64_t length;
  if (held < kRecordHeaderBytes) return RingResult::kBad;
  if (!Get(tail_, &length, kRecordHeaderBytes)) return RingResult::kGone;
  if (length == 0 || length % 8 != 0 || length > kMaxMessageBytes ||
      length > held - kRecordHeaderBytes) {
    return RingResult::kBad;
  }
  n = static_cast<size_t>(length);
  if (!Get(tail_ + kRecordHeaderBytes, message, n)) return RingResult::kGone;
  tail_ += static_cast<uint32_t>(n) + kRecordHeaderBytes;
  return GuardedStore(&ring_.consumer->tail, tail_) ? RingResult::kOk : RingResult::kGone;  // M1
}

RingResult RingConsumer::StayAwake() {
  if (!asleep_) return RingResult::kOk;
  if (!GuardedStore(&ring_.consumer->sleeps, uint32_t{0})) return RingResult::kGone;
  asleep_ = false;
  return RingResult::kOk;
}

RingResult RingConsumer::MustWakePeer(bool& must) const {
  return Flag(&ring_.producer->sleeps, must);
}

bool RingConsumer::Get(uint32_t at, void* to, size_t n) const {
  const uint32_t offset = at & (ring_.bytes - 1);
  const size_t first = std::min<size_t>(n, ring_.bytes - offset);
  return GuardedCopy(to, ring_.data + offset, first) &&
         (first == n || GuardedCopy(static_cast<uint8_t*>(to) + first, ring_.data, n - first));
}

}  // namespace pyrene::proto
