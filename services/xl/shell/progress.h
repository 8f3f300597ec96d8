// SPDX-License-Identifier: Apache-2.0
//
// How far a command is: a line that is written again each second, from the third second on.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/clock.h"
#include "services/xl/shell/session.h"

namespace pyrene::xl {

class Progress {
 public:
  Progress(Session& session, std::string what) : session_(session), what_(std::move(what)) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() {
    if (shown_) session_.Print("\n");
  }

  // `done` of `all` units, as often as one likes.
  void Show(uint64_t done, uint64_t all) {
    if (all == 0 || runtime::MonotonicNow() < next_) return;
    next_ = runtime::MonotonicNow() + runtime::kSecond;
    shown_ = true;
    session_.Print(absl::StrCat("\r", what_, ": ", done * 100 / all, "%"));
  }

 private:
  Session& session_;
  const std::string what_;
  uint64_t next_ = runtime::MonotonicNow() + 2 * runtime::kSecond;
  bool shown_ = false;
};

}  // namespace pyrene::xl
