// SPDX-License-Identifier: Apache-2.0
//
// Why a guest stopped, and what happens to it then: xl.cfg's on_* keys, decided by the VMM itself.
#pragma once

#include <cstdint>

namespace pyrene::vmm {

// As SCHEDOP_shutdown numbers them.
enum class ShutdownReason : uint32_t {
  kPoweroff = 0,
  kReboot = 1,
  kSuspend = 2,
  kCrash = 3,
  kWatchdog = 4,
  kSoftReset = 5,
};
inline constexpr uint32_t kShutdownReasons = 6;

enum class OnAction : uint8_t {
  kDestroy,
  kRestart,
  kRenameRestart,
  kPreserve,
  kCoredumpDestroy,
  kCoredumpRestart,
  kSoftReset,
};

struct OnActions {  // xl's defaults
  OnAction poweroff = OnAction::kDestroy;
  OnAction reboot = OnAction::kRestart;
  OnAction crash = OnAction::kDestroy;
  OnAction watchdog = OnAction::kDestroy;
  OnAction soft_reset = OnAction::kSoftReset;
};

enum class Fate : uint8_t {
  kDestroy,   // the domain goes away
  kRestart,   // it boots again with the same configuration
  kPreserve,  // it stays, shut down, to be looked at
};

struct Decision {
  Fate fate = Fate::kDestroy;
  bool rename = false;    // the old domain is kept under another name; only with kRestart
  bool coredump = false;  // asked for
};

constexpr OnAction ActionFor(ShutdownReason reason, const OnActions& actions) {
  switch (reason) {
    case ShutdownReason::kPoweroff:
      return actions.poweroff;
    case ShutdownReason::kReboot:
      return actions.reboot;
    case ShutdownReason::kSuspend:
      return OnAction::kPreserve;  // nobody here saves it; it can be looked at and destroyed
    case ShutdownReason::kCrash:
      return actions.crash;
    case ShutdownReason::kWatchdog:
      return actions.watchdog;
    case ShutdownReason::kSoftReset:
      return actions.soft_reset;
  }
  return OnAction::kDestroy;
}

constexpr Decision Decide(ShutdownReason reason, const OnActions& actions) {
  Decision decision;
  switch (ActionFor(reason, actions)) {
    case OnAction::kDestroy:
      break;
    case OnAction::kCoredumpDestroy:
      decision.coredump = true;
      break;
    case OnAction::kPreserve:
      decision.fate = Fate::kPreserve;
      break;
    case OnAction::kCoredumpRestart:
      decision.coredump = true;
      decision.fate = Fate::kRestart;
      break;
    case OnAction::kRenameRestart:
      decision.rename = true;
      decision.fate = Fate::kRestart;
      break;
    case OnAction::kRestart:
    case OnAction::kSoftReset:
      decision.fate = Fate::kRestart;
      break;
  }
  return decision;
}

}  // namespace pyrene::vmm
