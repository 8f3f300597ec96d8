// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/objects.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "runtime/host/shared_state.h"
#include "runtime/memory.h"

namespace pyrene::runtime {
namespace host {
namespace {

struct Table {
  std::mutex mutex;
  std::map<Handle, std::unique_ptr<Object>> objects;
  Handle next = kFirstFreeCap;
};

Table& TheTable() {
  static Table* const table = new Table;  // outlives every static object that holds a handle
  return *table;
}

absl::StatusOr<Handle> Insert(Kind kind, int descriptor, uint64_t badge) {
  void* shared = nullptr;
  if (kind != Kind::kMemory) {
    shared = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (shared == MAP_FAILED) {
      const absl::Status status = absl::ErrnoToStatus(errno, "mmap");
      close(descriptor);
      return status;
    }
  }
  Table& table = TheTable();
  std::lock_guard lock(table.mutex);
  const Handle handle = table.next++;
  table.objects[handle] = std::make_unique<Object>(Object{kind, descriptor, badge, shared});
  return handle;
}

void SetPart(Handle handle, uint64_t first_page, uint64_t pages) {
  Table& table = TheTable();
  std::lock_guard lock(table.mutex);
  Object& object = *table.objects.at(handle);
  object.first_page = first_page;
  object.pages = pages;
}

}  // namespace

absl::StatusOr<Handle> CreateObject(Kind kind, size_t bytes) {
  const int descriptor = memfd_create("pyrene", MFD_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, "memfd_create");
  if (ftruncate(descriptor, static_cast<off_t>(kind == Kind::kMemory ? bytes : kPageBytes)) != 0) {
    const absl::Status status = absl::ErrnoToStatus(errno, "ftruncate");
    close(descriptor);
    return status;
  }
  absl::StatusOr<Handle> handle = Insert(kind, descriptor, kNoBadge);
  if (handle.ok() && kind == Kind::kPort) InitializePort(Find(*handle, kind)->shared);
  return handle;
}

absl::StatusOr<Handle> ImportObject(Kind kind, int descriptor) {
  return Insert(kind, descriptor, kNoBadge);
}

int DescriptorOf(Handle handle) {
  Table& table = TheTable();
  std::lock_guard lock(table.mutex);
  const auto found = table.objects.find(handle);
  return found == table.objects.end() ? -1 : found->second->descriptor;
}

absl::StatusOr<Handle> CopyHandle(Handle handle, uint64_t badge) {
  Kind kind;
  int descriptor;
  uint64_t first_page, pages;
  {
    Table& table = TheTable();
    std::lock_guard lock(table.mutex);
    const auto found = table.objects.find(handle);
    if (found == table.objects.end()) return absl::NotFoundError("no such handle");
    kind = found->second->kind;
    if (badge == kNoBadge) badge = found->second->badge;
    descriptor = dup(found->second->descriptor);
    first_page = found->second->first_page;
    pages = found->second->pages;
  }
  if (descriptor < 0) return absl::ErrnoToStatus(errno, "dup");
  absl::StatusOr<Handle> copy = Insert(kind, descriptor, badge);
  if (copy.ok()) SetPart(*copy, first_page, pages);
  return copy;
}

absl::StatusOr<Handle> PartOf(Handle memory, uint64_t first_page, uint64_t pages) {
  const Object* const whole = Find(memory, Kind::kMemory);
  if (whole == nullptr) return absl::NotFoundError("no such memory");
  if (pages == 0 ||
      (whole->pages != 0 && (first_page > whole->pages || pages > whole->pages - first_page)))
    return absl::OutOfRangeError("beyond the memory's end");
  const uint64_t first = whole->first_page + first_page;
  absl::StatusOr<Handle> part = CopyHandle(memory, kNoBadge);
  if (part.ok()) SetPart(*part, first, pages);
  return part;
}

void ReserveHandles(Handle end) {
  Table& table = TheTable();
  std::lock_guard lock(table.mutex);
  table.next = std::max(table.next, end);
}

absl::Status MoveHandle(Handle from, Handle to) {
  Table& table = TheTable();
  std::lock_guard lock(table.mutex);
  if (!table.objects.contains(from)) return absl::NotFoundError("no such handle");
  if (table.objects.contains(to)) return absl::AlreadyExistsError("the handle is in use");
  auto moved = table.objects.extract(from);
  moved.key() = to;
  table.objects.insert(std::move(moved));
  return absl::OkStatus();
}

void RevokeMemory(Handle handle) {
  const Object* const object = Find(handle, Kind::kMemory);
  // A failure leaves the pages there, which the test that asked for this notices.
  if (object != nullptr && ftruncate(object->descriptor, 0) != 0) return;
}

const Object* Find(Handle handle, Kind kind) {
  Table& table = TheTable();
  std::lock_guard lock(table.mutex);
  const auto found = table.objects.find(handle);
  return found == table.objects.end() || found->second->kind != kind ? nullptr
                                                                     : found->second.get();
}

void CloseHandle(Handle handle) {
  Table& table = TheTable();
  std::lock_guard lock(table.mutex);
  const auto found = table.objects.find(handle);
  if (found == table.objects.end()) return;
  if (found->second->shared != nullptr) munmap(found->second->shared, kPageBytes);
  close(found->second->descriptor);
  table.objects.erase(found);
}

}  // namespace host

void OwnedHandle::Reset() {
  if (handle_ == kNoHandle) return;
  host::CloseHandle(handle_);
  handle_ = kNoHandle;
}

}  // namespace pyrene::runtime
