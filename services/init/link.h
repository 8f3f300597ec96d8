// SPDX-License-Identifier: Apache-2.0
//
// A channel's Memory, which belongs to init so that neither end's death unmaps it from the other,
// and the count of its connections.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/init/ram.h"

namespace pyrene::init {

class Link {
 public:
  static absl::StatusOr<Link> Create(RamPool& pool, const std::string& name, uint64_t schema_id,
                                     uint32_t ring_bytes, uint32_t pool_kib = 0);

  CapIndex cap() const { return memory_.cap(); }
  uint64_t pages() const { return memory_.pages(); }
  explicit operator bool() const { return static_cast<bool>(memory_); }

  // After one end has stopped for good and before its next life begins; then both are signalled.
  void StartEpoch();

 private:
  Ram memory_;
  runtime::Memory header_;  // init's view of the first page
  uint32_t epoch_ = 1;
};

}  // namespace pyrene::init
