// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_console_io: x0 = operation, x1 = count, x2 = buffer. Early boot messages
// (earlycon=xenboot) and whatever else a guest wants in the log. Bounded by the rate of
// guest_log.h; what exceeds it is dropped, and the guest is told nothing, as its printk could do
// nothing about it.
#include <mutex>

#include "services/vmm/hypercall.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kWrite = 0;
constexpr uint64_t kRead = 1;

constexpr size_t kChunk = 256;
constexpr uint64_t kBytesPerExit = 4096;

}  // namespace

Outcome ConsoleIo(Vcpu& vcpu) {
  VcpuState& state = *vcpu.state;
  if (state.x[0] == kRead) return 0;  // there is never any input
  if (state.x[0] != kWrite) return -xen::kEnosys;

  const uint64_t count = static_cast<uint32_t>(state.x[1]);
  if (static_cast<int32_t>(count) < 0) return -xen::kEinval;
  Domain& domain = *vcpu.domain;
  const uint64_t now_bytes = count < kBytesPerExit ? count : kBytesPerExit;
  uint64_t allowed = 0;
  {
    std::lock_guard lock(domain.log_limit().mutex());
    allowed =
        domain.log_limit().Take(now_bytes, domain.host().Now(), domain.config().counter_frequency);
  }
  char text[kChunk];
  for (uint64_t done = 0; done < allowed;) {
    const size_t piece = allowed - done < kChunk ? allowed - done : kChunk;
    if (!CopyFromGuest(vcpu, state.x[2] + done, text, piece)) return -xen::kEfault;
    domain.host().GuestText(text, piece);
    done += piece;
  }
  if (now_bytes == count) return 0;
  state.x[1] = count - now_bytes;
  state.x[2] += now_bytes;
  return Again(vcpu, kWrite);
}

}  // namespace pyrene::vmm
