// SPDX-License-Identifier: Apache-2.0
//
// The machine as a whole: what it is, its clock, and its end.
#pragma once

#include <cstdint>
#include <string>

#include "kernel/abi/boot_info.h"
#include "services/init/machine.h"
#include "services/init/resources.h"
#include "services/init/supervisor.h"

namespace pyrene::init {

class Host {
 public:
  Host(const BootInfo& boot, const Machine& machine, Resources& resources, World& world,
       Supervisor& supervisor)
      : boot_(boot),
        machine_(machine),
        resources_(resources),
        world_(world),
        supervisor_(supervisor) {}

  const BootInfo& boot() const { return boot_; }
  const std::string& model() const { return machine_.model; }
  // MIDR_EL1 of a CPU of this machine; 0 if it can not be read now.
  uint64_t Midr();

  // Sets every service's wall clock.
  void SetClock(int64_t ns_since_1970);

  // By the firmware, or by the Raspberry Pi's watchdog. Without either the system halts.
  [[noreturn]] void PowerOff();
  [[noreturn]] void Reboot();

 private:
  [[noreturn]] void End(bool off);
  void FireWatchdog(bool off);

  const BootInfo& boot_;
  const Machine machine_;
  Resources& resources_;
  World& world_;
  Supervisor& supervisor_;
  uint64_t midr_ = 0;
};

}  // namespace pyrene::init
