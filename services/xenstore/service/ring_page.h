// SPDX-License-Identifier: Apache-2.0
//
// A guest's ring page, mapped from init's Memory. It may vanish when init revokes it: every access
// is guarded.
#pragma once

#include <utility>

#include "runtime/guarded.h"
#include "runtime/memory.h"
#include "services/xenstore/xs_ring.h"

namespace pyrene::xenstore {

class MappedRingPage final : public RingPage {
 public:
  explicit MappedRingPage(runtime::Memory memory) : memory_(std::move(memory)) {}

  bool Load32(uint32_t offset, uint32_t* value) override {
    return runtime::GuardedLoad(Word(offset), *value);
  }
  bool Store32(uint32_t offset, uint32_t value) override {
    const bool stored = runtime::GuardedStore(Word(offset), value);
    runtime::FullBarrier();
    return stored;
  }
  bool CopyIn(uint32_t offset, absl::Span<uint8_t> to) override {
    return runtime::GuardedCopy(to.data(), memory_.data() + offset, to.size());
  }
  bool CopyOut(uint32_t offset, absl::Span<const uint8_t> from) override {
    return runtime::GuardedCopy(memory_.data() + offset, from.data(), from.size());
  }

 private:
  uint32_t* Word(uint32_t offset) { return reinterpret_cast<uint32_t*>(memory_.data() + offset); }
  runtime::Memory memory_;
};

}  // namespace pyrene::xenstore
