// SPDX-License-Identifier: Apache-2.0
//
// Console's side of the kernel's log (kernel/abi/boot_info.h, KernelLog): a ring that the kernel
// overwrites while it is read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kernel/abi/boot_info.h"
#include "runtime/log_reader.h"

namespace pyrene::console {

class KernelLogReader {
 public:
  // Begins with the oldest text, or at `position`, where an earlier reader stopped.
  KernelLogReader(const KernelLog* log, uint64_t position)
      : log_(log), position_(static_cast<uint32_t>(position)) {}

  // As LogReader::Read; never fails.
  absl::StatusOr<runtime::LogReader::Text> Read(size_t max_bytes) {
    runtime::LogReader::Text text;
    const uint32_t unread = Unread();
    if (unread > kKept) {
      text.lost = unread - kKept;
      position_ += unread - kKept;
    }
    const uint32_t size =
        static_cast<uint32_t>(std::min<size_t>(std::min(unread, kKept), max_bytes));
    for (uint32_t i = 0; i < size; ++i) {
      text.bytes += log_->text[(position_ + i) % KernelLog::kBytes];
    }
    // What was overwritten meanwhile is not what it was.
    if (const uint32_t held = Unread(); held > kKept) {
      const uint32_t stale = std::min(held - kKept, size);
      text.bytes.erase(0, stale);
      text.lost += stale;
    }
    position_ += size;
    return text;
  }

  uint64_t position() const { return position_; }

 private:
  // Without what the kernel may be about to overwrite: a line and its stamp.
  static constexpr uint32_t kKept = KernelLog::kBytes - 512;

  uint32_t Unread() const { return __atomic_load_n(&log_->written, __ATOMIC_ACQUIRE) - position_; }

  const KernelLog* log_;
  uint32_t position_;
};

}  // namespace pyrene::console
