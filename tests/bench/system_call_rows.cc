// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "kernel/abi/boot_info.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/syscall.h"
#include "tests/bench/root.h"
#include "tests/kernel/fixture.h"

namespace pyrene::bench {
namespace {

// Where nothing else is mapped.
constexpr uint64_t kMapAddress = kWindowAddress + (uint64_t{1} << 37);
constexpr uint64_t kStateAddress = kMapAddress + kPage;
constexpr uint64_t kQuotaPages = 16;
constexpr Rights kReadWrite = rights::kRead | rights::kWrite;
constexpr ThreadParameters kParameters{5, 0, 256};
// The root's: a thread of it runs when the root yields.
constexpr ThreadParameters kOwnPriority{31, 0, 256};
// Lines that nothing raises.
constexpr uint64_t kIntid = 200;
constexpr uint64_t kOtherIntid = 201;

alignas(16) uint8_t exit_stack[1024];

[[noreturn]] void ExitAtOnce() { sys::ThreadExit(0); }

// The loop is part of the figure: about five instructions, and the wrapper's moves.
template <typename Call>
void Measure(const char* name, Call call) {
  Check(call(), name);
  const uint64_t begin = sys::Ticks();
  Status worst = Status::kOk;
  for (uint64_t i = 0; i < kRounds; ++i) {
    const Status status = call();
    if (status != Status::kOk) worst = status;
  }
  Report(name, sys::Ticks() - begin);
  Check(worst, name);
}

// A call that makes a capability at `index`, with the deletion.
template <typename Make>
void MeasureMaking(const char* name, CapIndex index, Make make) {
  Measure(name, [=] {
    const Status made = make();
    const Status deleted = sys::CapDelete(index);
    return made == Status::kOk ? deleted : made;
  });
}

}  // namespace

void MeasureSystemCalls() {
  const CapIndex made = runtime::Caps().Allocate();
  const CapIndex memory = Ram(1);
  const CapIndex domain = runtime::Caps().Allocate();
  const CapIndex thread = runtime::Caps().Allocate();
  const CapIndex vcpu = runtime::Caps().Allocate();
  const CapIndex notification = runtime::Caps().Allocate();
  Check(sys::DomainCreate(domain, kQuotaPages).status, "domain");
  Check(sys::ThreadCreate(thread, domain, 0, 0, 0, kParameters), "thread");
  Check(sys::VcpuCreate(vcpu, domain, kStateAddress, 0), "vcpu");
  Check(sys::NotificationCreate(notification), "notification");

  MeasureMaking("cap_copy_delete", made,
                [=] { return sys::CapCopy(kNullCap, made, memory, rights::kRead); });
  Measure("cap_revoke_nothing", [=] { return sys::CapRevoke(memory); });
  Measure("cap_inspect", [=] { return sys::CapInspect(kNullCap, memory).status; });
  MeasureMaking("domain_create_delete", made,
                [=] { return sys::DomainCreate(made, kQuotaPages).status; });
  Measure("domain_map_unmap", [=] {
    const Status mapped = sys::DomainMap(kSelfDomainCap, memory, 0, kMapAddress, 1, kReadWrite);
    const Status unmapped = sys::DomainUnmap(kSelfDomainCap, kMapAddress, 1);
    return mapped == Status::kOk ? unmapped : mapped;
  });
  Measure("domain_reset_empty", [=] { return sys::DomainReset(domain); });
  Measure("domain_account", [=] { return sys::DomainAccount(domain).status; });
  Measure("domain_supervise", [=] { return sys::DomainSupervise(domain, notification, 1); });
  Measure("domain_fault", [=] { return sys::DomainFault(domain).status; });
  MeasureMaking("thread_create_delete", made,
                [=] { return sys::ThreadCreate(made, domain, 0, 0, 0, kParameters); });
  Measure("thread_stop", [=] { return sys::ThreadStop(thread); });
  Measure("thread_set", [=] { return sys::ThreadSet(thread, kParameters, 0, 0); });
  Measure("thread_info", [=] { return sys::ThreadInfo(thread).status; });
  Measure("thread_yield", [] {
    sys::ThreadYield();
    return Status::kOk;
  });
  Measure("upcall_info", [] {
    static_cast<void>(sys::GetUpcallInfo());
    return Status::kOk;
  });
  Measure("vcpu_kick", [=] { return sys::VcpuKick(vcpu); });
  Measure("vcpu_sync", [=] { return sys::VcpuSync(vcpu); });
  Measure("vcpu_translate", [=] { return sys::VcpuTranslate(vcpu, 0, TranslateAccess::kRead, 1); });
  MeasureMaking("memory_derive_delete", made,
                [=] { return sys::MemoryDerive(made, memory, 0, 1, rights::kRead); });
  Measure("memory_info", [=] { return sys::MemoryInfo(memory).status; });
  MeasureMaking("port_create_delete", made, [=] { return sys::PortCreate(made); });
  MeasureMaking("notification_create_delete", made, [=] { return sys::NotificationCreate(made); });
  Measure("notification_signal", [=] { return sys::NotificationSignal(notification, 1); });
  Measure("notification_signal_wait", [=] {
    const Status signalled = sys::NotificationSignal(notification, 1);
    const Status taken = sys::NotificationWait(notification, 1, kNoDeadline).status;
    return signalled == Status::kOk ? taken : signalled;
  });

  // Below: what stands alone, or with the call that undoes it.
  const CapIndex irq = runtime::Caps().Allocate();
  Check(sys::IrqDerive(irq, kernel_test::Boot().irq_control, kIntid), "irq");
  Measure("thread_start_stop", [=] {
    const Status started = sys::ThreadStart(thread);
    const Status stopped = sys::ThreadStop(thread);
    return started == Status::kOk ? stopped : started;
  });
  MeasureMaking("thread_life", made, [=] {
    Check(sys::ThreadCreate(made, kSelfDomainCap, reinterpret_cast<uint64_t>(ExitAtOnce),
                            reinterpret_cast<uint64_t>(exit_stack + sizeof(exit_stack)), 0,
                            kOwnPriority),
          "thread");
    const Status started = sys::ThreadStart(made);
    sys::ThreadYield();
    return started;
  });
  MeasureMaking("vcpu_create_delete", made,
                [=] { return sys::VcpuCreate(made, domain, kStateAddress + kPage, 1); });
  MeasureMaking("irq_derive_delete", made,
                [=] { return sys::IrqDerive(made, kernel_test::Boot().irq_control, kOtherIntid); });
  Measure("irq_bind", [=] { return sys::IrqBind(irq, notification, 1); });
  Measure("irq_acknowledge", [=] { return sys::IrqAcknowledge(irq); });
}

}  // namespace pyrene::bench
