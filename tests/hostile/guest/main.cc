// SPDX-License-Identifier: Apache-2.0
//
// A guest that attacks its VMM, the kernel, console and XenStore with whatever a guest can do, on
// several vCPUs, by numbers that its seed determines. It dies often; its VMM starts it again
// (on_crash, on_reboot, on_poweroff = "restart"), and it goes on with the next seed until it has
// done the operations it was asked for.
#include <cstdint>

#include "tests/guest/psci.h"
#include "tests/hostile/guest/operations.h"
#include "tests/hostile/guest/progress.h"
#include "tests/hostile/guest/vcpus.h"

namespace pyrene::guest::hostile {
namespace {

using Operation = void (*)(Random&);
constexpr Operation kOperations[] = {
    AnyHypercall, AnyEventChannelOp, AnyEventChannelOp, AnyGrantTableOp, AnyMemoryOp, AnySchedOp,
    AnyHvmOp,     AnyVcpuOp,         AnyPsciCall,       FillScratch,     AnyAccess,   AnyAccess,
    AnyAccess,    AnySystemRegister, AnySystemRegister, AnyMaintenance,  AnyWait,     AnyGarbage,
    AnyTrap};

}  // namespace

extern "C" void GuestMain(const char* device_tree) { Guard(BeginLife(device_tree)); }

extern "C" [[noreturn]] void SecondMain() {
  const uint32_t vcpu = psci::ThisVcpu();
  // Not what it did before it turned itself off.
  Random random(Seed() * kVcpus + vcpu + (Counted(vcpu) << 32));
  while (TakeOperation()) {
    kOperations[random.Below(sizeof(kOperations) / sizeof(kOperations[0]))](random);
    CountOperation(vcpu);
  }
  for (;;) asm volatile("wfi");
}

}  // namespace pyrene::guest::hostile
