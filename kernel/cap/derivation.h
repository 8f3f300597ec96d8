// SPDX-License-Identifier: Apache-2.0
//
// The derivation tree over all tables: which capability came from which. Under the structure lock.
#pragma once

#include "kernel/abi/status.h"
#include "kernel/cap/slot.h"

namespace pyrene {

class Domain;

// Fills a reserved slot as a child of `parent` (nullptr: a root).
void Insert(Slot& slot, Slot* parent, uint64_t word, uint64_t badge);

// A copy of `source`, with at most `rights`, at `index` of the domain's table. A badge only for a
// Port or Notification without one.
Status CopyCapability(Slot& source, Domain& target, uint64_t index, Rights rights, uint64_t badge);

// Deletes what descends from `top`, and with `include_top` itself. Leaves go first; an object dies
// with its owner's slot. Returns false when an interrupt is pending before all is done: the call is
// to be made again (preemption point).
[[nodiscard]] bool DeleteTree(Slot& top, bool include_top);

}  // namespace pyrene
