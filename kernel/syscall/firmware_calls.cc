// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/psci.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene::syscalls {

Status SystemOff(Call& call) {
  uint64_t word;
  PYRENE_TRY(LookUp(call.domain, call.Argument(0), ObjectType::kFirmware, rights::kControl, word));
  return arch::psci::SystemOff();
}

Status SystemReset(Call& call) {
  uint64_t word;
  PYRENE_TRY(LookUp(call.domain, call.Argument(0), ObjectType::kFirmware, rights::kControl, word));
  return arch::psci::SystemReset();
}

}  // namespace pyrene::syscalls
