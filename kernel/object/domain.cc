// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/domain.h"

#include "kernel/abi/capability.h"
#include "kernel/arch/descriptor.h"
#include "kernel/memory/layout.h"
#include "kernel/memory/vmid.h"
#include "kernel/object/thread.h"
#include "kernel/object/vcpu.h"
#include "kernel/sched/eviction.h"

namespace pyrene {
namespace {

constexpr unsigned kVttbrVmidShift = 48;
// A mapping that is unmapped piece by piece goes away with its last piece if it is no larger than
// this; larger ones stay until they are covered by one Unmap, or the domain is reset.
constexpr uint64_t kCheckedPages = 64;

uint64_t Stage2Attributes(MemoryType type, Rights rights) {
  namespace s2 = arch::stage2_attributes;
  uint64_t attributes = type == MemoryType::kRam ? s2::kNormal : s2::kDevice;
  if ((rights & rights::kRead) != 0) attributes |= s2::kRead;
  if ((rights & rights::kWrite) != 0) attributes |= s2::kWrite;
  if ((rights & rights::kExecute) == 0 || type == MemoryType::kDevice)
    attributes |= arch::descriptor::kExecuteNever;
  return attributes;
}

}  // namespace

Domain::Domain(Account& payer, uint64_t* root, uint64_t vttbr)
    : Object(payer), table_(root, vttbr), root_(root), vttbr_(vttbr) {}

Domain* Domain::Create(Status& status, Account& payer, uint64_t quota) {
  status = Status::kNoMemory;
  if (quota == 0 || quota > payer.quota() - payer.used()) return nullptr;
  auto* root = static_cast<uint64_t*>(payer.AllocatePage());
  if (root == nullptr) return nullptr;
  const unsigned vmid = AllocateVmid();
  if (vmid == 0) {
    payer.FreePage(root);
    status = Status::kNoVmid;
    return nullptr;
  }
  void* memory = payer.AllocateBytes(sizeof(Domain));
  Domain* domain = nullptr;
  if (memory != nullptr) {
    domain = new (memory) Domain(payer, root, PhysicalOf(root) | uint64_t{vmid} << kVttbrVmidShift);
    status = domain->account_.TakeFrom(payer, quota);
    if (status == Status::kOk) return domain;
    payer.Delete(domain);  // gives root and VMID back
    return nullptr;
  }
  FreeVmid(vmid);
  payer.FreePage(root);
  return nullptr;
}

void Domain::Detach() {
  StopForGood();
  while (Thread* thread = threads_.front()) {
    EvictThread(*thread);
    thread->LeaveDomain();
  }
  while (Vcpu* vcpu = vcpus_.front()) vcpu->LeaveDomain();
  supervisor_.Unbind();
}

Domain::~Domain() {
  UnmapAll();
  FreeVmid(static_cast<unsigned>(vttbr_ >> kVttbrVmidShift));
  caps_.Free(account_);
  account_.ReturnTo(payer());
  payer().FreePage(root_);
}

Status Domain::Map(MemoryObject& memory, const Slot* capability, uint64_t first_page,
                   uint64_t address, uint64_t pages, Rights rights) {
  if (!PageAligned(address) || pages == 0 || first_page >= memory.pages() ||
      pages > memory.pages() - first_page || address >= PageTable::kAddressLimit ||
      pages > (PageTable::kAddressLimit - address) / kPageBytes)
    return Status::kBadArgument;
  // Stage 2 cannot say "write only", and a page without any right would be a mapping that always
  // faults.
  if ((rights & rights::kRead) == 0) return Status::kBadArgument;
  auto* mapping = account_.New<Mapping>();
  if (mapping == nullptr) return Status::kNoMemory;
  const Status status = table_.Map(account_, address, memory.base() + first_page * kPageBytes,
                                   pages, Stage2Attributes(memory.type(), rights));
  if (status != Status::kOk) {
    account_.Delete(mapping);
    return status;
  }
  mapping->memory = &memory;
  mapping->domain = this;
  mapping->capability = capability;
  mapping->address = address;
  mapping->first_page = first_page;
  mapping->pages = pages;
  mappings_.PushBack(mapping);
  memory.mappings().PushBack(mapping);
  return Status::kOk;
}

Status Domain::Unmap(uint64_t address, uint64_t pages) {
  if (!PageAligned(address) || pages == 0 || address >= PageTable::kAddressLimit ||
      pages > (PageTable::kAddressLimit - address) / kPageBytes)
    return Status::kBadArgument;
  const Status status = table_.Unmap(account_, address, pages);
  if (status != Status::kOk) return status;
  const uint64_t end = address + pages * kPageBytes;
  for (Mapping* mapping = mappings_.front(); mapping != nullptr;) {
    Mapping* next = mappings_.Next(mapping);
    const uint64_t mapping_end = mapping->address + mapping->pages * kPageBytes;
    const bool covered = mapping->address >= address && mapping_end <= end;
    const bool touched = mapping->address < end && mapping_end > address;
    if (covered || (touched && mapping->pages <= kCheckedPages && Empty(*mapping)))
      RemoveMapping(*mapping);
    mapping = next;
  }
  return Status::kOk;
}

// Whether none of its pages is mapped any more.
bool Domain::Empty(const Mapping& mapping) const {
  const uint64_t physical = mapping.memory->base() + mapping.first_page * kPageBytes;
  for (uint64_t offset = 0; offset < mapping.pages * kPageBytes; offset += kPageBytes) {
    const PageTable::Leaf leaf = table_.Lookup(mapping.address + offset);
    if (leaf.entry != 0 &&
        (leaf.level < 3 || arch::descriptor::Address(leaf.entry) == physical + offset))
      return false;
  }
  return true;
}

void Domain::RemoveMapping(Mapping& mapping) {
  table_.UnmapMatching(mapping.address, mapping.memory->base() + mapping.first_page * kPageBytes,
                       mapping.pages);
  List<Mapping, DomainMappingsTag>::Remove(&mapping);
  List<Mapping, MemoryMappingsTag>::Remove(&mapping);
  account_.Delete(&mapping);
}

void Domain::UnmapAll() {
  table_.Clear(account_);
  while (Mapping* mapping = mappings_.PopFront()) {
    List<Mapping, MemoryMappingsTag>::Remove(mapping);
    account_.Delete(mapping);
  }
}

void Domain::StopForGood() {
  if (dying_) return;
  __atomic_store_n(&dying_, true, __ATOMIC_RELAXED);
  for (Thread* thread = threads_.front(); thread != nullptr; thread = threads_.Next(thread))
    thread->Stop(ThreadState::kExited);
}

void Domain::Report(const FaultReport& report) {
  {
    LockGuard guard(report_lock_);
    if (report_.kind == FaultKind::kNone) report_ = report;
  }
  supervisor_.Signal();
}

FaultReport Domain::TakeReport() {
  LockGuard guard(report_lock_);
  FaultReport report = report_;
  report_ = FaultReport{};
  return report;
}

}  // namespace pyrene
