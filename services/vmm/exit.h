// SPDX-License-Identifier: Apache-2.0
//
// The exit handler: what the thread of a vCPU calls after each vcpu_run. The thread's loop:
//
//   Action action = domain.Resume(vcpu);
//   for (;;) switch (action) {
//     kRun:    action = HandleExit(vcpu, vcpu_run(cap, 0));
//     kBlock:  action = HandleExit(vcpu, vcpu_run(cap, run_flags::kBlock));
//     kYield:  thread_yield; action = kRun;
//     kWait:   wait for Host::WakeThread; action = domain.Resume(vcpu);
//     kEnd:    return;
//   }
#pragma once

#include "kernel/abi/vcpu_state.h"
#include "services/vmm/action.h"
#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

// The vCPU's own thread.
Action HandleExit(Vcpu& vcpu, ExitReason reason);

}  // namespace pyrene::vmm
