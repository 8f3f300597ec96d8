// SPDX-License-Identifier: Apache-2.0
//
// What the manifest names: device frames, interrupt lines, shared memory, and what the kernel gave
// init. Each is made once and kept over the lives of the services that use it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernel/abi/boot_info.h"
#include "proto/manifest.capnp.h"
#include "services/init/live_domain.h"
#include "services/init/object.h"
#include "services/init/ram.h"

namespace pyrene::init {

class Resources {
 public:
  Resources(const BootInfo& boot, RamPool& ram);

  // The manifest's memories.
  absl::Status MakeMemories(proto::Manifest::Reader manifest);

  // Appends the grants for the spec's capabilities, but `events` and `logs`, which are not here to
  // know. Interrupt lines that a former life left unacknowledged are acknowledged.
  absl::Status AddGrants(proto::Service::Reader spec, std::vector<Grant>& grants);

  // Init's own use: registers at a physical address.
  absl::StatusOr<CapIndex> Device(uint64_t base, uint32_t pages);

 private:
  absl::StatusOr<CapIndex> Irq(uint32_t intid);

  const BootInfo& boot_;
  RamPool& ram_;
  std::map<std::string, Ram> memories_;
  std::map<uint64_t, Object> devices_;  // by physical address
  std::map<uint32_t, Object> irqs_;     // by INTID
};

}  // namespace pyrene::init
