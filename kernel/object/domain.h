// SPDX-License-Identifier: Apache-2.0
//
// Domain: an address space (stage 2), its VMID, capability table, quota and threads. A service's,
// or a guest's physical one. Everything but what is marked otherwise is under the structure lock.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/abi/syscall.h"
#include "kernel/cap/cap_table.h"
#include "kernel/lib/list.h"
#include "kernel/memory/account.h"
#include "kernel/memory/page_table.h"
#include "kernel/object/memory_object.h"
#include "kernel/object/notification.h"
#include "kernel/object/object.h"

namespace pyrene {

class Thread;
class Vcpu;
struct DomainThreadsTag;
struct DomainVcpusTag;

struct FaultReport {
  FaultKind kind = FaultKind::kNone;
  uint64_t thread = 0;  // object id
  uint64_t esr = 0;     // for kExit: the exit status
  uint64_t far = 0;
  uint64_t pc = 0;
};

class Domain final : public Object {
 public:
  // `quota` pages come out of `payer`, one of them is the root table. kNoMemory, kNoVmid.
  [[nodiscard]] static Domain* Create(Status& status, Account& payer, uint64_t quota);
  // Its threads stop for good; no vCPU of it runs any more.
  void Detach();
  // The table must be empty (DeleteTree sees to it).
  ~Domain();

  // `capability` is what the memory was named by; nullptr for the kernel's own mappings.
  // `done`: see PageTable. Map without it: at boot, or one page.
  Status Map(MemoryObject& memory, const Slot* capability, uint64_t first_page, uint64_t address,
             uint64_t pages, Rights rights, uint64_t* done = nullptr);
  Status Unmap(uint64_t address, uint64_t pages, uint64_t& done);
  void UnmapAll();
  // Whether something is mapped there now, be it a block that is just being split. No lock: tables
  // are not freed before all CPUs have left the kernel. Any CPU.
  bool Maps(uint64_t address) const { return table_.Maps(address); }
  // Takes leaves off one mapping, until an interrupt is pending, and deletes it after the last.
  void Reduce(Mapping& mapping);

  // Stops all threads, and lets none start again.
  void StopForGood();
  bool dying() const { return __atomic_load_n(&dying_, __ATOMIC_RELAXED); }

  CapTable& caps() { return caps_; }
  Account& account() { return account_; }
  uint64_t vttbr() const { return vttbr_; }  // any CPU

  // A thread stopped: keeps the first report and signals the supervisor. Any CPU.
  void Report(const FaultReport& report);
  FaultReport TakeReport();
  Binding& supervisor() { return supervisor_; }

  // CPU time of all its threads, in ticks. Any CPU.
  void AddCpuTime(uint64_t ticks) { __atomic_fetch_add(&cpu_time_, ticks, __ATOMIC_RELAXED); }
  uint64_t cpu_time() const { return __atomic_load_n(&cpu_time_, __ATOMIC_RELAXED); }

  List<Thread, DomainThreadsTag>& threads() { return threads_; }
  List<Vcpu, DomainVcpusTag>& vcpus() { return vcpus_; }

  // The vCPU of this guest that ran last on each CPU; touched only by that CPU.
  const Vcpu*& last_vcpu(uint32_t cpu) { return last_vcpu_[cpu]; }

 private:
  static void DropFront(Mapping& mapping, uint64_t pages);
  void Forget(Mapping& mapping);
  explicit Domain(Account& payer, uint64_t* root, uint64_t vttbr);

  PageTable table_;
  uint64_t* root_;
  uint64_t vttbr_;
  bool dying_ = false;
  CapTable caps_;
  Account account_;
  uint64_t cpu_time_ = 0;
  List<Mapping, DomainMappingsTag> mappings_;
  List<Thread, DomainThreadsTag> threads_;
  List<Vcpu, DomainVcpusTag> vcpus_;
  Binding supervisor_;
  SpinLock report_lock_;
  FaultReport report_;
  const Vcpu* last_vcpu_[kMaxCpus] = {};
};

}  // namespace pyrene
