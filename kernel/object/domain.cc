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
// A mapping out of whose middle something is unmapped goes away with its last page if what is left
// at its ends is no more than this; larger ones stay until that is unmapped too, or the domain is
// reset.
constexpr uint64_t kCheckedPages = 64;

bool IsRange(uint64_t address, uint64_t pages) {
  return PageAligned(address) && pages != 0 && address < PageTable::kAddressLimit &&
         pages <= (PageTable::kAddressLimit - address) / kPageBytes;
}

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
                   uint64_t address, uint64_t pages, Rights rights, uint64_t* done) {
  if (!IsRange(address, pages) || first_page >= memory.pages() ||
      pages > memory.pages() - first_page)
    return Status::kBadArgument;
  // Stage 2 cannot say "write only", and a page without any right would be a mapping that always
  // faults.
  if ((rights & rights::kRead) == 0) return Status::kBadArgument;
  auto* mapping = account_.New<Mapping>();
  if (mapping == nullptr) return Status::kNoMemory;
  const Status status = table_.Map(account_, address, memory.base() + first_page * kPageBytes,
                                   pages, Stage2Attributes(memory.type(), rights), done);
  if (done != nullptr) pages = *done;
  if (pages == 0 || (done == nullptr && status != Status::kOk)) {
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

Status Domain::Unmap(uint64_t address, uint64_t pages, uint64_t& done) {
  if (!IsRange(address, pages)) return Status::kBadArgument;
  const Status status = table_.Unmap(account_, address, pages, &done);
  const uint64_t end = address + done * kPageBytes;
  for (Mapping* mapping = mappings_.front(); mapping != nullptr;) {
    Mapping* next = mappings_.Next(mapping);
    const uint64_t mapping_end = mapping->address + mapping->pages * kPageBytes;
    if (mapping->address < end && mapping_end > address) {
      if (mapping->address >= address) {
        DropFront(*mapping,
                  ((mapping_end < end ? mapping_end : end) - mapping->address) / kPageBytes);
      } else if (mapping_end <= end) {
        mapping->pages = (address - mapping->address) / kPageBytes;
      }
      if (mapping->pages == 0 ||
          (mapping->pages <= kCheckedPages &&
           table_.Empty(mapping->address, mapping->pages, false) == Status::kOk))
        Forget(*mapping);
    }
    mapping = next;
  }
  return status;
}

void Domain::DropFront(Mapping& mapping, uint64_t pages) {
  mapping.address += pages * kPageBytes;
  mapping.first_page += pages;
  mapping.pages -= pages;
}

void Domain::Forget(Mapping& mapping) {
  List<Mapping, DomainMappingsTag>::Remove(&mapping);
  List<Mapping, MemoryMappingsTag>::Remove(&mapping);
  account_.Delete(&mapping);
}

void Domain::Reduce(Mapping& mapping) {
  const uint64_t physical = mapping.memory->base() + mapping.first_page * kPageBytes;
  uint64_t done;
  [[maybe_unused]] const Status status =
      table_.Unmap(account_, mapping.address, mapping.pages, &done, &physical);
  DropFront(mapping, done);
  if (mapping.pages == 0) Forget(mapping);
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
