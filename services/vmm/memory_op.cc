// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_memory_op (ABI 2.5): x0 = operation and, in the bits above, the extent to go on at;
// x1 = struct. See physmap.h.
#include "services/vmm/hypercall.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

// populate_physmap and decrease_reservation: number of extents done, short when one fails.
Outcome Reservation(Vcpu& vcpu, uint64_t operation, uint64_t start) {
  xen::MemoryReservation reservation;
  if (!ReadArgument(vcpu, &reservation)) return static_cast<int64_t>(start);
  if (!vcpu.domain->IsSelf(reservation.domid)) return NotSelf(reservation.domid);
  // A 16 KiB guest kernel asks for order 2; 9 is a 2 MiB block.
  constexpr uint32_t kMaxOrder = 9;
  constexpr uint64_t kMaxExtents = uint64_t{1} << (63 - xen::kMemoryOpBits);
  if (reservation.extent_order > kMaxOrder || reservation.nr_extents >= kMaxExtents)
    return static_cast<int64_t>(start);
  if (start > reservation.nr_extents) return -xen::kEinval;

  Physmap& physmap = vcpu.domain->physmap();
  const uint64_t pages = uint64_t{1} << reservation.extent_order;
  uint64_t budget = kElementsPerExit * 8;
  uint64_t extent = start;
  for (; extent < reservation.nr_extents; ++extent) {
    if (budget < pages && extent != start)
      return Again(vcpu, operation | extent << xen::kMemoryOpBits);
    uint64_t gfn = 0;
    if (!CopyFromGuest(vcpu, reservation.extent_start + extent * sizeof(gfn), &gfn, sizeof(gfn)))
      break;
    if ((gfn & (pages - 1)) != 0) break;
    uint64_t page = 0;
    if (operation == xen::kPopulatePhysmap) {
      while (page < pages && physmap.Populate(gfn + page)) ++page;
      if (page < pages) {
        // All or nothing.
        while (page != 0) (void)physmap.Decrease(gfn + --page);
        break;
      }
    } else {
      while (page < pages && physmap.Decrease(gfn + page)) ++page;
      if (page < pages) break;
    }
    budget -= pages < budget ? pages : budget;
  }
  return static_cast<int64_t>(extent);
}

// 0 or a negative errno.
int64_t AddOne(Domain& domain, uint32_t space, uint64_t index, uint64_t gfn) {
  constexpr uint64_t kAnyFrame = uint64_t{1} << 36;
  switch (space) {
    case xen::kSpaceSharedInfo:
      return index == 0 && gfn < kAnyFrame ? domain.physmap().AddSharedInfo(gfn) : -xen::kEinval;
    case xen::kSpaceGrantTable:
      // Bit 31 would mean the status frames of version 2.
      return index < domain.grants().max_frames() && gfn < kAnyFrame
                 ? domain.physmap().AddGrantFrame(static_cast<uint32_t>(index), gfn)
                 : -xen::kEinval;
    case xen::kSpaceForeign:
    case xen::kSpaceDeviceMmio:
      return -xen::kEperm;
    default:
      return -xen::kEnosys;
  }
}

Outcome Add(Vcpu& vcpu) {
  xen::AddToPhysmap add{};
  if (!ReadArgument(vcpu, &add)) return -xen::kEfault;
  if (!vcpu.domain->IsSelf(add.domid)) return NotSelf(add.domid);
  // Foreign pages have no place for the other domain's id in this structure.
  // ReadArgument has filled it, word by word.
  // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
  if (add.space == xen::kSpaceForeign) return -xen::kEinval;
  return AddOne(*vcpu.domain, add.space, add.idx, add.gpfn);
}

Outcome AddBatch(Vcpu& vcpu, uint64_t operation, uint64_t start) {
  xen::AddToPhysmapBatch batch;
  if (!ReadArgument(vcpu, &batch)) return -xen::kEfault;
  if (!vcpu.domain->IsSelf(batch.domid)) return NotSelf(batch.domid);
  if (start > batch.size) return -xen::kEinval;
  uint64_t end = batch.size;
  if (end - start > kElementsPerExit) end = start + kElementsPerExit;
  for (uint64_t i = start; i < end; ++i) {
    uint64_t index = 0;
    uint64_t gfn = 0;
    if (!CopyFromGuest(vcpu, batch.idxs + i * sizeof(index), &index, sizeof(index)) ||
        !CopyFromGuest(vcpu, batch.gpfns + i * sizeof(gfn), &gfn, sizeof(gfn))) {
      return -xen::kEfault;
    }
    const int32_t error = static_cast<int32_t>(AddOne(*vcpu.domain, batch.space, index, gfn));
    if (!CopyToGuest(vcpu, batch.errs + i * sizeof(error), &error, sizeof(error))) {
      return -xen::kEfault;
    }
  }
  if (end == batch.size) return 0;
  return Again(vcpu, operation | end << xen::kMemoryOpBits);
}

Outcome Remove(Vcpu& vcpu) {
  xen::RemoveFromPhysmap remove;
  if (!ReadArgument(vcpu, &remove)) return -xen::kEfault;
  if (!vcpu.domain->IsSelf(remove.domid)) return NotSelf(remove.domid);
  return vcpu.domain->physmap().Remove(remove.gpfn);
}

Outcome Pages(Vcpu& vcpu, uint64_t operation) {
  uint16_t domid = 0;
  if (!ReadArgument(vcpu, &domid)) return -xen::kEfault;
  if (!vcpu.domain->IsSelf(domid)) return NotSelf(domid);
  const GuestMemory& memory = vcpu.domain->memory();
  switch (operation) {
    case xen::kCurrentReservation:
      return static_cast<int64_t>(memory.present_pages());
    case xen::kMaximumReservation:
      return static_cast<int64_t>(memory.total_pages());
    default:
      return static_cast<int64_t>(memory.end_gfn() - 1);
  }
}

}  // namespace

Outcome MemoryOperation(Vcpu& vcpu) {
  constexpr uint64_t kMask = (uint64_t{1} << xen::kMemoryOpBits) - 1;
  const uint64_t operation = vcpu.state->x[0] & kMask;
  const uint64_t start = vcpu.state->x[0] >> xen::kMemoryOpBits;
  if (start != 0 && operation != xen::kDecreaseReservation && operation != xen::kPopulatePhysmap &&
      operation != xen::kAddToPhysmapBatch) {
    return -xen::kEnosys;
  }
  switch (operation) {
    case xen::kDecreaseReservation:
    case xen::kPopulatePhysmap:
      return Reservation(vcpu, operation, start);
    case xen::kAddToPhysmap:
      return Add(vcpu);
    case xen::kAddToPhysmapBatch:
      return AddBatch(vcpu, operation, start);
    case xen::kRemoveFromPhysmap:
      return Remove(vcpu);
    case xen::kCurrentReservation:
    case xen::kMaximumReservation:
    case xen::kMaximumGpfn:
      return Pages(vcpu, operation);
    default:
      return -xen::kEnosys;
  }
}

}  // namespace pyrene::vmm
