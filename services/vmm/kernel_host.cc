// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/kernel_host.h"

#include "runtime/kernel/syscall.h"

namespace pyrene::vmm {
namespace {

constexpr Rights kReadWrite = rights::kRead | rights::kWrite;
constexpr Rights kAll = kReadWrite | rights::kExecute;

}  // namespace

// A kick or a signal fails only when the object is gone, and then nobody waits for it.
void KernelHost::Kick(unsigned vcpu) { static_cast<void>(sys::VcpuKick(caps_.vcpu[vcpu])); }

void KernelHost::WakeThread(unsigned vcpu) {
  static_cast<void>(sys::NotificationSignal(caps_.vcpu_notification[vcpu], 1));
}

void KernelHost::Sync(unsigned vcpu) { static_cast<void>(sys::VcpuSync(caps_.vcpu[vcpu])); }

bool KernelHost::Translate(unsigned vcpu, uint64_t va, TranslateAccess access, unsigned pages) {
  return sys::VcpuTranslate(caps_.vcpu[vcpu], va, access, pages) == Status::kOk;
}

const KernelCaps::RamPiece* KernelHost::FindRam(uint64_t gfn, uint64_t* page) const {
  for (unsigned i = 0; i < caps_.ram_pieces; ++i) {
    const KernelCaps::RamPiece& piece = caps_.ram[i];
    if (gfn < piece.gfn || gfn - piece.gfn >= piece.pages) continue;
    *page = piece.first_page + (gfn - piece.gfn);
    return &piece;
  }
  return nullptr;
}

bool KernelHost::MapFrame(uint64_t gfn, FrameKind kind, unsigned index) {
  const uint64_t page = kind == FrameKind::kSharedInfo ? 0 : 1 + uint64_t{index};
  return sys::DomainMap(caps_.guest, caps_.frames, page, gfn << xen::kPageShift, 1, kReadWrite) ==
         Status::kOk;
}

bool KernelHost::MapRam(uint64_t gfn) {
  uint64_t page;
  const KernelCaps::RamPiece* piece = FindRam(gfn, &page);
  return piece != nullptr && sys::DomainMap(caps_.guest, piece->memory, page,
                                            gfn << xen::kPageShift, 1, kAll) == Status::kOk;
}

bool KernelHost::MapAlias(uint64_t gfn, uint64_t source_gfn, bool readonly) {
  uint64_t page;
  const KernelCaps::RamPiece* piece = FindRam(source_gfn, &page);
  return piece != nullptr &&
         sys::DomainMap(caps_.guest, piece->memory, page, gfn << xen::kPageShift, 1,
                        readonly ? rights::kRead : kReadWrite) == Status::kOk;
}

bool KernelHost::Unmap(uint64_t gfn) {
  return sys::DomainUnmap(caps_.guest, gfn << xen::kPageShift, 1) == Status::kOk;
}

void KernelHost::NotifyService(ServiceEnd end) {
  if (end.service >= ServiceTable::kServices) return;
  static_cast<void>(sys::NotificationSignal(caps_.services.notification[end.service],
                                            caps_.services.bits[end.service]));
}

Host::Served KernelHost::ServeHere(ServiceEnd end, Vcpu& vcpu) {
  return end.service == rings_.service ? rings_.serve(vcpu, true) : Served::kNo;
}

void KernelHost::ServePutOff(Vcpu& vcpu) {
  if (rings_.serve(vcpu, false) != Served::kYes) NotifyService({rings_.service, 0});
}

void KernelHost::ServicePortClosed(uint32_t, ServiceEnd end) {
  // The service looks at its ring once more and finds nothing.
  NotifyService(end);
}

void KernelHost::WakeEventThread() {
  static_cast<void>(sys::NotificationSignal(caps_.event, caps_.event_bit));
}

void KernelHost::GuestText(const char* text, size_t length) { sink_(text, length); }

uint64_t KernelHost::Now() { return sys::Ticks(); }

uint64_t KernelHost::CpuTicks(unsigned vcpu) {
  return sys::ThreadInfo(caps_.vcpu_thread[vcpu]).cpu_ticks;
}

}  // namespace pyrene::vmm
