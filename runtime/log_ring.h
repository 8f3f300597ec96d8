// SPDX-License-Identifier: Apache-2.0
//
// A service's log: a ring of bytes in Memory that the service writes and console reads. The writer
// never waits: what is not read in time is overwritten, and the reader counts it. The ring outlives
// the service, so its last words can be read after its death.
//
// Who does what: the service alone writes, everything; console only reads (its mapping is
// read-only) and keeps its own position. After a write the service signals `log_signal`.
//
// Race, overwriting against reading:
//
//   W1  the writer changes at most kMaxChunk      R1  the reader loads `written` (acquire)
//       bytes behind `written`                    R2  copies up to there
//   W2  stores `written` (release)                R3  loads `written` again and drops what is
//                                                     older than capacity - kMaxChunk: W1 may be
//                                                     under way on it
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace pyrene::runtime {

struct LogRing {
  static constexpr uint32_t kMagic = 0x676f4c50;  // "PLog"
  static constexpr size_t kTextOffset = 128;
  static constexpr uint64_t kMaxChunk = 256;

  uint32_t magic;
  uint32_t reserved;
  alignas(64) std::atomic<uint64_t> written;  // bytes ever written; the next goes to text[written %
                                              // capacity]
};
static_assert(sizeof(LogRing) <= LogRing::kTextOffset);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// Bytes of text in a ring of `bytes` bytes of Memory: what the header leaves.
constexpr uint64_t LogCapacity(uint64_t bytes) {
  return bytes <= LogRing::kTextOffset ? 0 : bytes - LogRing::kTextOffset;
}

// Compiled into the upcall: no library calls. Calls are serialised by the caller.
class LogWriter {
 public:
  constexpr LogWriter() = default;

  // `ring`: zeroed, or a former life's, which is continued. At least a page.
  void Attach(void* ring, uint64_t bytes) {
    if (LogCapacity(bytes) == 0) return;
    ring_ = static_cast<LogRing*>(ring);
    text_ = static_cast<char*>(ring) + LogRing::kTextOffset;
    capacity_ = LogCapacity(bytes);
    if (ring_->magic != LogRing::kMagic) {
      ring_->written.store(0, std::memory_order_relaxed);
      ring_->magic = LogRing::kMagic;
    }
    written_ = ring_->written.load(std::memory_order_relaxed);
    at_ = written_ % capacity_;
  }

  bool attached() const { return ring_ != nullptr; }

  void Write(const char* bytes, size_t n) {
    uint64_t chunk = 0;
    for (size_t i = 0; i < n; ++i) {
      text_[at_] = bytes[i];
      if (++at_ == capacity_) at_ = 0;
      if (++chunk == LogRing::kMaxChunk) {
        Publish(chunk);
        chunk = 0;
      }
    }
    Publish(chunk);
  }

 private:
  void Publish(uint64_t chunk) {
    written_ += chunk;
    ring_->written.store(written_, std::memory_order_release);
  }

  LogRing* ring_ = nullptr;
  char* text_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t written_ = 0;
  uint64_t at_ = 0;
};

}  // namespace pyrene::runtime
