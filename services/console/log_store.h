// SPDX-License-Identifier: Apache-2.0
//
// The system's log as `xl dmesg` shows it: lines of the kernel and of all services in one ring, the
// oldest overwritten. It lies in the journal, so it is as old as the system. Positions count bytes
// since the system's start.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "services/console/journal.h"

namespace pyrene::console {

class LogStore {
 public:
  // The longest line, with its "\n".
  static constexpr uint32_t kMaxLine = 640;

  explicit LogStore(Journal& journal) : state_(journal.log()), text_(journal.log_text()) {}

  // One line, which ends with "\n".
  void Append(absl::string_view line);

  struct Part {
    uint64_t position = 0;  // of its first byte
    std::string text;
  };
  // What is kept from `position` on, at most `max_bytes`; begins later, with a whole line, if older
  // text is not kept or was cleared.
  Part Read(uint64_t position, uint32_t max_bytes) const;

  // Later reads begin here.
  void Clear() { Commit(state_.cleared, state_.written); }
  uint64_t end() const { return state_.written; }

 private:
  LogState& state_;
  char* text_;
};

}  // namespace pyrene::console
