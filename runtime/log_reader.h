// SPDX-License-Identifier: Apache-2.0
//
// Console's side of a log ring (runtime/log_ring.h). The writer may be hostile: whatever it puts
// into the ring costs it its own text only.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/log_ring.h"

namespace pyrene::runtime {

class LogReader {
 public:
  // `bytes` of Memory mapped at `ring`, at least a page. Begins with the oldest text, or at
  // `position`, where an earlier reader stopped.
  LogReader(const void* ring, uint64_t bytes, uint64_t position = 0);

  struct Text {
    std::string bytes;
    uint64_t lost = 0;  // bytes before these that were overwritten unread
  };
  // What is new, at most `max_bytes` of it; empty if nothing is. Unavailable when the memory is
  // gone.
  absl::StatusOr<Text> Read(size_t max_bytes);

  uint64_t position() const { return position_; }

 private:
  const LogRing* ring_;
  const char* text_;
  uint64_t capacity_;
  uint64_t position_;
};

}  // namespace pyrene::runtime
