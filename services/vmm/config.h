// SPDX-License-Identifier: Apache-2.0
//
// What a guest is built with. Comes from the toolstack's configuration; constant for the guest's
// life, reboots included.
#pragma once

#include <cstdint>

#include "services/vmm/host.h"
#include "services/vmm/id_registers.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

struct DomainConfig {
  uint16_t domid = 0;
  uint32_t vcpus = 1;  // 1..8
  uint8_t uuid[16] = {};

  // The services behind the console and the XenStore ring: their domids and notifications.
  uint16_t console_domid = 0;
  ServiceEnd console;
  uint16_t xenstore_domid = 0;
  ServiceEnd xenstore;

  uint32_t max_event_channels = 1023;  // highest port number
  uint32_t max_grant_frames =
      64;  // of 512 grants; at most the window's 4096 and the frames given to GuestMemory
  uint32_t max_grant_maps = 1024;  // of the guest's own

  uint64_t counter_frequency = 0;  // Hz
  IdRegisters ids;                 // GuestIdRegisters(...)
};

// Null if the configuration can be used, else what is wrong with it.
const char* ConfigError(const DomainConfig& config);

}  // namespace pyrene::vmm
