// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/init/played_kernel.h"

#include <cstring>
#include <utility>

#include "kernel/abi/boot_info.h"
#include "runtime/address_window.h"
#include "runtime/host/objects.h"
#include "runtime/host/shared_state.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/personality/personality.h"
#include "runtime/memory.h"
#include "services/init/ram.h"
#include "tests/fuzz/require.h"

namespace pyrene {

// What init asks of its own runtime.
namespace runtime {
AddressWindow& Window() {
  static auto& window = *new AddressWindow(kWindowAddress, kWindowAddress + 16 * kPageBytes);
  return window;
}
}  // namespace runtime

namespace personality {
void SetRealtimeOffset(int64_t) {}
}  // namespace personality
namespace init {
void ZeroPages(void* memory, size_t bytes) { std::memset(memory, 0, bytes); }
}  // namespace init

namespace sys::internal {
Answer PlayedCall(Syscall number, const uint64_t (&arguments)[6]) {
  return fuzz::PlayedKernel::Get().Call(number, arguments);
}
}  // namespace sys::internal

namespace fuzz {
namespace {

constexpr uint64_t kOwnQuota = 100'000;

runtime::host::SharedNotification* SharedOf(CapIndex index, uint64_t* badge) {
  const auto* const object = runtime::host::Find(index, runtime::host::Kind::kNotification);
  if (object == nullptr) return nullptr;
  *badge = object->badge;
  return static_cast<runtime::host::SharedNotification*>(object->shared);
}

}  // namespace

PlayedKernel& PlayedKernel::Get() {
  static auto& kernel = *new PlayedKernel;
  return kernel;
}

// Before anybody makes an object of the caller's.
PlayedKernel::PlayedKernel() { runtime::host::ReserveHandles(kMaxCaps); }

void PlayedKernel::Reset() {
  for (CapIndex index = 1; index < kMaxCaps; ++index) runtime::host::CloseHandle(index);
  own_.clear();
  made_.clear();
  zeroer_ = kNullCap;
  runtime::Caps().Initialize(kFirstFreeCap);
}

CapIndex PlayedKernel::Give(runtime::Handle memory, uint64_t first_page, uint64_t pages) {
  const CapIndex index = runtime::Caps().Allocate();
  Require(Make(index, ObjectType::kMemory, rights::kAll,
               *runtime::host::PartOf(memory, first_page, pages)) == Status::kOk);
  return index;
}

runtime::Handle PlayedKernel::HandleOf(uint64_t object) const {
  const auto found = made_.find(object);
  return found == made_.end() ? runtime::kNoHandle : found->second;
}

void PlayedKernel::End(CapIndex domain, FaultKind kind, uint64_t status) {
  Entry* const entry = Find(domain);
  Require(entry != nullptr && entry->thing->type == ObjectType::kDomain);
  entry->thing->fault = kind;
  entry->thing->fault_status = status;
  static_cast<void>(Signal(entry->thing->supervisor, entry->thing->supervisor_bits));
}

PlayedKernel::Entry* PlayedKernel::Find(CapIndex index) {
  const auto found = own_.find(index);
  if (found != own_.end()) return found->second.thing->gone ? nullptr : &found->second;
  // A notification of the runtime's, as the event loop's is.
  if (runtime::host::Find(index, runtime::host::Kind::kNotification) == nullptr) return nullptr;
  auto thing = std::make_shared<Thing>();
  thing->type = ObjectType::kNotification;
  thing->id = next_id_++;
  return &(own_[index] = {std::move(thing), rights::kAll, runtime::host::kNoBadge, false});
}

PlayedKernel::Entry* PlayedKernel::FindIn(uint64_t domain, CapIndex index) {
  if (domain == kNullCap) return Find(index);
  Entry* const owner = Find(static_cast<CapIndex>(domain));
  if (owner == nullptr) return nullptr;
  const auto found = owner->thing->table.find(index);
  return found == owner->thing->table.end() || found->second.thing->gone ? nullptr : &found->second;
}

Status PlayedKernel::Put(CapIndex index, Entry entry, runtime::Handle handle) {
  if (index == kNullCap || index >= kMaxCaps) return Status::kBadArgument;
  if (handle != runtime::kNoHandle && !runtime::host::MoveHandle(handle, index).ok()) {
    // Deleted by its owner without a system call: the runtime's handles do so on the host.
    runtime::host::CloseHandle(handle);
    return Status::kOccupied;
  }
  own_[index] = std::move(entry);
  return Status::kOk;
}

Status PlayedKernel::Make(CapIndex index, ObjectType type, Rights rights, runtime::Handle handle,
                          uint64_t quota) {
  auto thing = std::make_shared<Thing>();
  thing->type = type;
  thing->id = next_id_++;
  thing->quota = quota;
  const uint64_t id = thing->id;
  const Status status =
      Put(index, {std::move(thing), rights, runtime::host::kNoBadge, true}, handle);
  if (status == Status::kOk) made_[id] = index;
  return status;
}

Status PlayedKernel::Copy(uint64_t domain, CapIndex index, CapIndex source, Rights rights,
                          uint64_t badge) {
  const Entry* const from = Find(source);
  if (from == nullptr) return Status::kBadCap;
  Entry copy{from->thing, static_cast<Rights>(from->rights & rights),
             badge == 0 ? from->badge : badge, false};
  if (domain != kNullCap) {
    Entry* const owner = Find(static_cast<CapIndex>(domain));
    if (owner == nullptr) return Status::kBadCap;
    if (owner->thing->type != ObjectType::kDomain) return Status::kBadType;
    if (index == kNullCap || index >= kMaxCaps) return Status::kBadArgument;
    if (FindIn(domain, index) != nullptr) return Status::kOccupied;
    owner->thing->table[index] = std::move(copy);
    return Status::kOk;
  }
  const absl::StatusOr<runtime::Handle> handle =
      runtime::host::CopyHandle(source, badge == 0 ? runtime::host::kNoBadge : badge);
  return Put(index, std::move(copy), handle.ok() ? *handle : runtime::kNoHandle);
}

Status PlayedKernel::Delete(CapIndex index) {
  const auto found = own_.find(index);
  if (found == own_.end()) return Status::kBadCap;
  if (found->second.made) {
    found->second.thing->gone = true;
    found->second.thing->table.clear();
    made_.erase(found->second.thing->id);
  }
  own_.erase(found);
  runtime::host::CloseHandle(index);
  return Status::kOk;
}

PlayedKernel::Answer PlayedKernel::Inspect(uint64_t domain, CapIndex index) {
  const Entry* const entry = FindIn(domain, index);
  if (entry == nullptr) return {Status::kBadCap, {}};
  return {
      Status::kOk,
      {static_cast<uint64_t>(entry->thing->type), entry->rights, entry->badge, entry->thing->id}};
}

Status PlayedKernel::Derive(CapIndex index, CapIndex source, uint64_t first_page, uint64_t pages,
                            Rights rights) {
  const Entry* const from = Find(source);
  if (from == nullptr) return Status::kBadCap;
  if (from->thing->type != ObjectType::kMemory) return Status::kBadType;
  const absl::StatusOr<runtime::Handle> part = runtime::host::PartOf(source, first_page, pages);
  if (!part.ok()) return Status::kBadArgument;
  return Make(index, ObjectType::kMemory, from->rights & rights, *part);
}

Status PlayedKernel::Map(CapIndex domain, CapIndex memory, uint64_t first_page, uint64_t pages) {
  const Entry* const to = Find(domain);
  const Entry* const from = Find(memory);
  if (to == nullptr || from == nullptr) return Status::kBadCap;
  const absl::StatusOr<uint64_t> all = runtime::Memory::PagesOf(memory);
  if (!all.ok() || to->thing->type != ObjectType::kDomain) return Status::kBadType;
  return first_page > *all || pages > *all - first_page ? Status::kBadArgument : Status::kOk;
}

Status PlayedKernel::Signal(CapIndex index, uint64_t bits) {
  const Entry* const entry = Find(index);
  uint64_t badge = 0;
  runtime::host::SharedNotification* const shared = SharedOf(index, &badge);
  if (entry == nullptr || shared == nullptr) return Status::kBadCap;
  if (index == zeroer_) return Signal(loop_, zeroer_bits_);
  shared->bits.fetch_or(bits & badge);
  return Status::kOk;
}

PlayedKernel::Answer PlayedKernel::Wait(CapIndex index, uint64_t mask) {
  uint64_t badge = 0;
  runtime::host::SharedNotification* const shared = SharedOf(index, &badge);
  if (shared == nullptr) return {Status::kBadCap, {}};
  const uint64_t bits = shared->bits.fetch_and(~mask) & mask;
  return {bits == 0 ? Status::kTimeout : Status::kOk, {bits}};
}

PlayedKernel::Answer PlayedKernel::Call(Syscall number, const uint64_t (&in)[6]) {
  const auto cap = [&in](int i) { return static_cast<CapIndex>(in[i]); };
  const auto status = [](Status of) { return Answer{of, {}}; };
  switch (number) {
    case Syscall::kCapCopy:
      return status(Copy(in[0], cap(1), cap(2), static_cast<Rights>(in[3]), in[4]));
    case Syscall::kCapDelete:
      return status(Delete(cap(0)));
    case Syscall::kCapInspect:
      return Inspect(in[0], cap(1));
    case Syscall::kDomainCreate:
      return status(Make(cap(0), ObjectType::kDomain, rights::kAll, runtime::kNoHandle, in[1]));
    case Syscall::kDomainMap:
      return status(Map(cap(0), cap(1), in[2], in[4]));
    case Syscall::kDomainAccount: {
      if (cap(0) == kSelfDomainCap) return {Status::kOk, {kOwnQuota, made_.size(), 0}};
      const Entry* const entry = Find(cap(0));
      if (entry == nullptr) return status(Status::kBadCap);
      return {Status::kOk, {entry->thing->quota, 1, 0}};
    }
    case Syscall::kDomainSupervise: {
      Entry* const entry = Find(cap(0));
      if (entry == nullptr || Find(cap(1)) == nullptr) return status(Status::kBadCap);
      entry->thing->supervisor = cap(1);
      entry->thing->supervisor_bits = in[2];
      return status(Status::kOk);
    }
    case Syscall::kDomainFault: {
      const Entry* const entry = Find(cap(0));
      if (entry == nullptr) return status(Status::kBadCap);
      return {Status::kOk,
              {static_cast<uint64_t>(entry->thing->fault), 1, entry->thing->fault_status, 0, 0}};
    }
    case Syscall::kThreadCreate:
      // Init's one thread waits for the notification that it made just before.
      if (cap(1) == kSelfDomainCap) zeroer_ = newest_notification_;
      return status(Make(cap(0), ObjectType::kThread, rights::kAll, runtime::kNoHandle));
    case Syscall::kThreadStart:
    case Syscall::kThreadSet:
      return status(Find(cap(0)) == nullptr ? Status::kBadCap : Status::kOk);
    case Syscall::kThreadInfo:
      return {Status::kOk, {static_cast<uint64_t>(ThreadState::kBlocked), 0, 0}};
    case Syscall::kThreadExit:
    case Syscall::kSystemOff:
    case Syscall::kSystemReset:
      throw MachineEnded();
    case Syscall::kMemoryDerive:
      return status(Derive(cap(0), cap(1), in[2], in[3], static_cast<Rights>(in[4])));
    case Syscall::kNotificationCreate: {
      const absl::StatusOr<runtime::Handle> made =
          runtime::host::CreateObject(runtime::host::Kind::kNotification);
      if (!made.ok()) return status(Status::kNoMemory);
      newest_notification_ = cap(0);
      return status(Make(cap(0), ObjectType::kNotification, rights::kAll, *made));
    }
    case Syscall::kNotificationSignal:
      return status(Signal(cap(0), in[1]));
    case Syscall::kNotificationWait:
      return Wait(cap(0), in[1]);
    default:
      return status(Status::kNotSupported);  // no device, interrupt line or vCPU
  }
}

}  // namespace fuzz
}  // namespace pyrene
