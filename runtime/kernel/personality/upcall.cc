// SPDX-License-Identifier: Apache-2.0
//
// What happens in an upcall: a Linux call is answered, a fault in a guarded access is turned into
// that access's error, a trapped read that Linux allows is emulated, and every other fault is
// handed to the supervisor.
#include "kernel/abi/upcall.h"

#include "runtime/kernel/fixup.h"
#include "runtime/kernel/personality/emulate.h"
#include "runtime/kernel/personality/entry.h"
#include "runtime/kernel/personality/linux_calls.h"
#include "runtime/kernel/syscall.h"

using pyrene::Status;
using pyrene::UpcallInfo;
using pyrene::personality::ControlOf;
using pyrene::personality::DispatchLinuxCall;
using pyrene::personality::EmulateRead;
using pyrene::personality::UpcallFrame;
namespace sys = pyrene::sys;

void pyrene_personality_upcall(UpcallFrame* frame) {
  const UpcallInfo info = sys::GetUpcallInfo();
  if (info.esr >> pyrene::kEsrClassShift == pyrene::kEsrClassSvc64) {
    frame->x[0] = static_cast<uint64_t>(DispatchLinuxCall(ControlOf(frame), *frame, info));
    return;
  }
  if (const uint64_t fixup = pyrene::runtime::FindFixup(info.pc); fixup != 0) {
    static_cast<void>(sys::UpcallMove(fixup));
    return;
  }
  if (EmulateRead(info, *frame)) {
    static_cast<void>(sys::UpcallMove(info.pc + 4));
    return;
  }
  // Without an upcall the fault, which comes again at once, stops the thread, and the supervisor
  // gets its true facts.
  static_cast<void>(sys::UpcallSet(0, 0));
}
