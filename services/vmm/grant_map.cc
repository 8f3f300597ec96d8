// SPDX-License-Identifier: Apache-2.0
//
// What a guest does with its own grants (GNTTABOP_map_grant_ref, _unmap_grant_ref, _copy): gntdev
// and tests. Grants of other guests are out of reach: their VMMs hold them.
#include <mutex>

#include "services/vmm/grant_table.h"
#include "services/vmm/guest_word.h"

namespace pyrene::vmm {

// GrantablePage and its use race with nothing that takes the memory away: the VMM keeps all of the
// guest's pages mapped for the guest's life, so a page ballooned out in between is still there to
// be read.

void GrantTable::Map(xen::GrantMap* op) {
  op->handle = ~uint32_t{0};
  op->dev_bus_addr = 0;
  if (!IsSelf(op->dom)) {
    op->status = xen::kGrantBadDomain;
    return;
  }
  if ((op->flags & ~xen::kGrantMapReadonly) != xen::kGrantMapHost) {
    op->status = xen::kGrantGeneralError;
    return;
  }
  // Only a page that the guest ballooned out can take the map; whatever else lies there keeps
  // MapAlias from succeeding.
  const uint64_t gfn = op->host_addr >> xen::kPageShift;
  if ((op->host_addr & (xen::kPageSize - 1)) != 0 || !memory_.InBank(gfn) ||
      memory_.RamPage(gfn) != nullptr) {
    op->status = xen::kGrantBadVirtAddr;
    return;
  }
  const bool write = (op->flags & xen::kGrantMapReadonly) == 0;

  std::lock_guard lock(mutex_);
  uint32_t handle = 0;
  while (handle < max_maps_ && maps_[handle].used) ++handle;
  if (handle == max_maps_) {
    op->status = xen::kGrantNoSpace;
    return;
  }
  uint32_t source = 0;
  op->status = PinLocked(domid_, op->ref, write, &source);
  if (op->status != xen::kGrantOk) return;
  if (memory_.RamPage(source) == nullptr || !host_.MapAlias(gfn, source, !write)) {
    UnpinLocked(domid_, op->ref, write);
    op->status = xen::kGrantGeneralError;
    return;
  }
  maps_[handle] = {.gfn = gfn, .ref = op->ref, .used = true, .write = write};
  op->handle = handle;
  op->dev_bus_addr = uint64_t{source} << xen::kPageShift;
}

void GrantTable::Unmap(xen::GrantUnmap* op) {
  std::lock_guard lock(mutex_);
  if (op->handle >= max_maps_ || !maps_[op->handle].used) {
    op->status = xen::kGrantBadHandle;
    return;
  }
  MapRecord& map = maps_[op->handle];
  if (op->host_addr != map.gfn << xen::kPageShift) {
    op->status = xen::kGrantBadVirtAddr;
    return;
  }
  if (!host_.Unmap(map.gfn)) {
    op->status = xen::kGrantGeneralError;
    return;
  }
  UnpinLocked(domid_, map.ref, map.write);
  map = {};
  op->status = xen::kGrantOk;
}

xen::GrantStatus GrantTable::OpenCopyEnd(const xen::GrantCopyEnd& end, bool is_ref, bool write,
                                         std::byte** page) {
  if (!IsSelf(end.domid)) return xen::kGrantBadDomain;
  uint64_t gfn = end.frame;
  if (is_ref) {
    uint32_t frame = 0;
    const xen::GrantStatus status =
        PinLocked(domid_, static_cast<uint32_t>(end.frame), write, &frame);
    if (status != xen::kGrantOk) return status;
    gfn = frame;
  }
  *page = memory_.GrantablePage(gfn);
  if (*page != nullptr) return xen::kGrantOk;
  if (is_ref) UnpinLocked(domid_, static_cast<uint32_t>(end.frame), write);
  return xen::kGrantBadPage;
}

void GrantTable::Copy(xen::GrantCopy* op) {
  const bool source_ref = (op->flags & xen::kCopySourceGref) != 0;
  const bool dest_ref = (op->flags & xen::kCopyDestGref) != 0;
  if ((op->flags & ~(xen::kCopySourceGref | xen::kCopyDestGref)) != 0 ||
      uint32_t{op->source.offset} + op->length > xen::kPageSize ||
      uint32_t{op->dest.offset} + op->length > xen::kPageSize) {
    op->status = xen::kGrantBadCopyArg;
    return;
  }
  std::lock_guard lock(mutex_);
  std::byte* from = nullptr;
  std::byte* to = nullptr;
  op->status = OpenCopyEnd(op->source, source_ref, false, &from);
  if (op->status != xen::kGrantOk) return;
  op->status = OpenCopyEnd(op->dest, dest_ref, true, &to);
  if (op->status == xen::kGrantOk) {
    GuestCopy(to + op->dest.offset, from + op->source.offset, op->length);
    if (dest_ref) UnpinLocked(domid_, static_cast<uint32_t>(op->dest.frame), true);
  }
  if (source_ref) UnpinLocked(domid_, static_cast<uint32_t>(op->source.frame), false);
}

}  // namespace pyrene::vmm
