// SPDX-License-Identifier: Apache-2.0
//
// A ring of messages: one producer, one consumer, in memory that both can write and that can
// vanish.
//
// Contract
//   - Records lie one behind the other in `bytes` bytes (a power of two), 8-byte aligned, and wrap
//     around: a word with the length of the message in bytes, then the message, a multiple of 8
//     bytes long.
//   - `head` counts the bytes ever produced, `tail` the bytes ever consumed, both modulo 2^32;
//     head - tail is what the ring holds.
//   - Only the producer writes ProducerLine, and the data that is not held; only the consumer
//     writes ConsumerLine. Each end keeps its own index privately and never reads it back.
//   - RingProducer is called by one thread of the producing service, RingConsumer by one of the
//     consuming service.
//   - The peer is hostile. Its index is loaded once per call and must be in range and aligned; a
//     length is loaded once and must lie within what is held; the message is copied out once. What
//     fails is kBad, and the connection is over (proto/channel.h). A peer that changes what it has
//     sent, or never wakes us, harms its own connection only.
//   - Bounded: a call touches one record.
//
// Waking up. An end that finds nothing to do says so in its own line (`sleeps`) and looks once
// more; an end that moved its index looks at the other's `sleeps`. The same both ways: the consumer
// sleeps for messages, the producer for room.
//
//   M1  the mover stores its index         S1  the sleeper stores sleeps = 1
//   M2  full barrier                       S2  full barrier
//   M3  loads the sleeper's `sleeps`,      S3  loads the mover's index,
//       signals if it is set                   does not sleep if it has moved
//
// Either M1 comes before S3, and the sleeper sees the new index, or S3 comes before M1; then S1,
// before S3, comes before M3, and the mover signals. Without M2 or S2 both loads may come first,
// and the wake-up is lost: tests/model/ring.pml shows both.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::proto {

inline constexpr size_t kCacheLineBytes = 64;  // Cortex-A72

struct alignas(kCacheLineBytes) ProducerLine {
  uint32_t head;
  uint32_t sleeps;  // 1: signal me when there is room
};

struct alignas(kCacheLineBytes) ConsumerLine {
  uint32_t tail;
  uint32_t sleeps;  // 1: signal me when there is a message
};

// A ring in this service's address space. Nothing behind the pointers is touched but by guarded
// access.
struct Ring {
  ProducerLine* producer = nullptr;
  ConsumerLine* consumer = nullptr;
  uint8_t* data = nullptr;
  uint32_t bytes = 0;  // a power of two, kMinRingBytes..kMaxRingBytes
};

inline constexpr uint32_t kMinRingBytes = 1024;
inline constexpr uint32_t kMaxRingBytes = 1 << 20;
// The largest message, also where the ring is bigger: the size of the private copies.
inline constexpr uint32_t kMaxMessageBytes = 8192;
inline constexpr uint32_t kRecordHeaderBytes = 8;

enum class RingResult : uint8_t {
  kOk,
  kWait,      // no room, or no message
  kTooLarge,  // the message can never fit; nothing was sent
  kBad,       // the peer broke the contract
  kGone,      // the memory was taken away
};

class RingProducer {
 public:
  RingProducer() = default;
  explicit RingProducer(const Ring& ring) : ring_(ring) {}

  // Starts anew with an empty ring; the peer must not use it meanwhile.
  RingResult Reset();

  // Copies a message of `n` bytes (a multiple of 8, not 0) into the ring and publishes it (M1).
  // kWait: the peer will signal when there is room.
  RingResult Send(const void* message, size_t n);

  // After one or more Sends: whether the consumer must be signalled (M2, M3).
  RingResult MustWakePeer(bool& must) const;

 private:
  RingResult Free(uint32_t& bytes) const;
  bool Put(uint32_t at, const void* from, size_t n);

  Ring ring_;
  uint32_t head_ = 0;
  bool asleep_ = false;
};

class RingConsumer {
 public:
  RingConsumer() = default;
  explicit RingConsumer(const Ring& ring) : ring_(ring) {}

  RingResult Reset();

  // Copies the next message to `message`, which has room for kMaxMessageBytes, and frees its space.
  // kWait: there is none; the peer will signal when there is.
  RingResult Receive(void* message, size_t& n);

  // The producer need not signal until a Receive, which is to follow, has found nothing.
  RingResult StayAwake();

  // After one or more Receives: whether the producer must be signalled (M2, M3).
  RingResult MustWakePeer(bool& must) const;

 private:
  RingResult Held(uint32_t& bytes) const;
  bool Get(uint32_t at, void* to, size_t n) const;

  Ring ring_;
  uint32_t tail_ = 0;
  bool asleep_ = false;
};

}  // namespace pyrene::proto
