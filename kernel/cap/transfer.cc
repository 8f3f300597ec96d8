// SPDX-License-Identifier: Apache-2.0
#include "kernel/cap/transfer.h"

#include "kernel/cap/derivation.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"

namespace pyrene {
namespace {

constexpr unsigned kMaxCapabilities = 4;
constexpr unsigned kIndexBits = 16;
constexpr uint64_t kIndexMask = 0xffff;

}  // namespace

uint64_t TransferCapabilities(Thread& from, uint64_t sources, Thread& to, uint64_t slots) {
  unsigned count = 0;
  if (from.domain() == nullptr || to.domain() == nullptr) return 0;
  for (; count < kMaxCapabilities; ++count, sources >>= kIndexBits, slots >>= kIndexBits) {
    auto* source = const_cast<Slot*>(from.domain()->caps().Find(sources & kIndexMask));
    if (source == nullptr || Slot::TypeOf(source->word) == ObjectType::kNone) break;
    if (CopyCapability(*source, *to.domain(), slots & kIndexMask, rights::kAll, 0) != Status::kOk)
      break;
  }
  return count;
}

}  // namespace pyrene
