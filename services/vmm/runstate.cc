// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/runstate.h"

#include "services/vmm/domain.h"
#include "services/vmm/guest_word.h"

namespace pyrene::vmm {
namespace {

// Word `offset` of the area, which is 8-aligned and may cross a page.
uint64_t* AreaWord(Vcpu& vcpu, uint64_t first, uint64_t second, uint32_t offset) {
  const uint64_t room = xen::kPageSize - (first & (xen::kPageSize - 1));
  return vcpu.domain->memory().At<uint64_t>(offset < room ? first + offset
                                                          : second + (offset - room));
}

}  // namespace

void StartAccounting(Vcpu& vcpu) {
  const uint64_t now = vcpu.domain->host().Now();
  if (vcpu.account.since != 0) {
    vcpu.account.ticks[xen::kRunstateOffline] += now - vcpu.account.since;
  }
  vcpu.account.since = now;
  vcpu.account.cpu_time = vcpu.domain->host().CpuTicks(vcpu.index);
}

void ShowRunning(Vcpu& vcpu) {
  uint64_t* word = vcpu.domain->memory().At<uint64_t>(vcpu.runstate_first.load());
  if (word != nullptr) GuestStore(word, uint64_t{xen::kRunstateRunning});
}

void UpdateRunstate(Vcpu& vcpu, xen::Runstate state) {
  Domain& domain = *vcpu.domain;
  const uint64_t now = domain.host().Now();
  const uint64_t elapsed = now - vcpu.account.since;
  const uint64_t cpu_time = domain.host().CpuTicks(vcpu.index);
  uint64_t ran = cpu_time - vcpu.account.cpu_time;
  if (ran > elapsed) ran = elapsed;
  vcpu.account.since = now;
  vcpu.account.cpu_time = cpu_time;
  vcpu.account.ticks[xen::kRunstateRunning] += ran;
  vcpu.account.ticks[vcpu.account.slept ? xen::kRunstateBlocked : xen::kRunstateRunnable] +=
      elapsed - ran;
  vcpu.account.slept = false;

  const uint64_t first = vcpu.runstate_first.load(std::memory_order_acquire);
  const uint64_t second = vcpu.runstate_second.load(std::memory_order_relaxed);
  uint64_t* words[sizeof(xen::RunstateInfo) / 8];
  for (uint32_t i = 0; i < sizeof(xen::RunstateInfo) / 8; ++i) {
    words[i] = AreaWord(vcpu, first, second, i * 8);
    if (words[i] == nullptr) return;  // the guest ballooned the page out
  }
  // Times since boot, as the guest's own clock counts them.
  const uint64_t entry = domain.scale().ToNs(now - domain.boot_ticks());
  if (domain.runstate_update_flag().load(std::memory_order_relaxed)) {
    GuestStore(words[1], entry | xen::kRunstateUpdating);
    std::atomic_thread_fence(std::memory_order_release);
  }
  GuestStore(words[0], uint64_t{state});
  for (uint32_t i = 0; i < 4; ++i) {
    GuestStore(words[2 + i], domain.scale().ToNs(vcpu.account.ticks[i]));
  }
  __atomic_store_n(words[1], entry, __ATOMIC_RELEASE);
}

}  // namespace pyrene::vmm
