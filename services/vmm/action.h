// SPDX-License-Identifier: Apache-2.0
//
// What the thread of a vCPU does next, as HandleExit and Resume decide.
#pragma once

#include <cstdint>

namespace pyrene::vmm {

enum class Action : uint32_t {
  kRun,    // vcpu_run
  kBlock,  // vcpu_run with run_flags::kBlock
  kYield,  // let other threads of this CPU run, then vcpu_run
  kWait,   // wait for Host::WakeThread, then Resume (vCPU off, domain paused)
  kEnd,    // the domain has shut down: the thread is done until the domain boots again
};

// What a hypercall handler answers: x0, and the action. Two registers.
struct Outcome {
  int64_t value;
  Action action;

  // NOLINTNEXTLINE(google-explicit-constructor): a plain number is an outcome
  constexpr Outcome(int64_t v, Action a = Action::kRun) : value(v), action(a) {}
};

}  // namespace pyrene::vmm
