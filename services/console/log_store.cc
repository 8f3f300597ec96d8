// SPDX-License-Identifier: Apache-2.0
#include "services/console/log_store.h"

#include <algorithm>

namespace pyrene::console {
namespace {

// A death in the middle of Append leaves a piece of a line over the oldest text: not counted as
// kept.
constexpr uint64_t kKept = kLogBytes - LogStore::kMaxLine;

}  // namespace

void LogStore::Append(absl::string_view line) {
  line = line.substr(0, kMaxLine);
  const uint64_t at = state_.written % kLogBytes;
  const uint64_t first = std::min<uint64_t>(line.size(), kLogBytes - at);
  std::memcpy(text_ + at, line.data(), first);
  std::memcpy(text_, line.data() + first, line.size() - first);
  Commit(state_.written, state_.written + line.size());
}

LogStore::Part LogStore::Read(uint64_t position, uint32_t max_bytes) const {
  const uint64_t end = state_.written;
  uint64_t oldest = end > kKept ? end - kKept : 0;
  if (oldest != 0) {
    while (oldest < end && text_[(oldest - 1) % kLogBytes] != '\n') ++oldest;
  }
  Part part;
  part.position = std::clamp(position, std::max(oldest, std::min(state_.cleared, end)), end);
  const uint64_t size = std::min<uint64_t>(max_bytes, end - part.position);
  part.text.reserve(size);
  for (uint64_t i = 0; i < size; ++i) part.text += text_[(part.position + i) % kLogBytes];
  return part;
}

}  // namespace pyrene::console
