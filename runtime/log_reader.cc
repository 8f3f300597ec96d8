// SPDX-License-Identifier: Apache-2.0
#include "runtime/log_reader.h"

#include <algorithm>

#include "runtime/guarded.h"

namespace pyrene::runtime {

LogReader::LogReader(const void* ring, uint64_t bytes, uint64_t position)
    : ring_(static_cast<const LogRing*>(ring)),
      text_(static_cast<const char*>(ring) + LogRing::kTextOffset),
      capacity_(LogCapacity(bytes)),
      position_(position) {}

absl::StatusOr<LogReader::Text> LogReader::Read(size_t max_bytes) {
  Text text;
  const uint64_t* const index = reinterpret_cast<const uint64_t*>(&ring_->written);
  uint64_t written;
  if (!GuardedLoad(index, written)) return MemoryGone();  // R1
  if (written < position_) position_ = written;           // the writer began anew, or lies
  const uint64_t safe = capacity_ - LogRing::kMaxChunk;
  if (written - position_ > safe) {
    text.lost = written - position_ - safe;
    position_ = written - safe;
  }
  const uint64_t wanted = std::min<uint64_t>(written - position_, max_bytes);
  text.bytes.resize(wanted);
  const uint64_t at = position_ % capacity_;
  const uint64_t first = std::min(wanted, capacity_ - at);
  if (!GuardedCopy(text.bytes.data(), text_ + at, first) ||
      !GuardedCopy(text.bytes.data() + first, text_, wanted - first)) {  // R2
    return MemoryGone();
  }
  uint64_t after;
  if (!GuardedLoad(index, after)) return MemoryGone();
  if (after >= position_ && after - position_ > safe) {  // R3
    const uint64_t stale = std::min(after - position_ - safe, wanted);
    text.bytes.erase(0, stale);
    text.lost += stale;
  }
  position_ += wanted;
  return text;
}

}  // namespace pyrene::runtime
