// SPDX-License-Identifier: Apache-2.0
//
// A guest that attacks its VMM, the kernel, console and XenStore with whatever a guest can do, by
// numbers that its seed determines. It dies often; its VMM starts it again (on_crash, on_reboot,
// on_poweroff = "restart"), and it goes on with the next seed until it has done the operations it
// was asked for.
#include <cstdint>

#include "tests/hostile/guest/operations.h"
#include "tests/hostile/guest/progress.h"

namespace pyrene::guest::hostile {
namespace {

constexpr uint64_t kReportEach = 5000;

using Operation = void (*)(Random&);
constexpr Operation kOperations[] = {
    AnyHypercall, AnyEventChannelOp, AnyEventChannelOp, AnyGrantTableOp, AnyMemoryOp, AnySchedOp,
    AnyHvmOp,     AnyVcpuOp,         AnyPsciCall,       FillScratch,     AnyAccess,   AnyAccess,
    AnyAccess,    AnySystemRegister, AnySystemRegister, AnyMaintenance,  AnyWait,     AnyGarbage,
    AnyTrap};

}  // namespace

extern "C" void GuestMain(const char* device_tree) {
  Progress progress = ReadProgress(device_tree);
  Save(progress);
  Random random(progress.seed);
  while (progress.done < progress.target) {
    ++progress.done;
    Save(progress);
    kOperations[random.Below(sizeof(kOperations) / sizeof(kOperations[0]))](random);
    if (progress.done % kReportEach == 0) Report(progress);
  }
  Finish(progress);
}

}  // namespace pyrene::guest::hostile
