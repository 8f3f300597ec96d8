// SPDX-License-Identifier: Apache-2.0
//
// The host back-end's objects. A handle is an index into a table of this process; the object behind
// it lies in a memfd, so that a process can pass its descriptor to another, which imports it. Only
// tests, fuzzers and host programs' main() call these: services get their handles from
// FindCapability.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/handle.h"

namespace pyrene::runtime::host {

enum class Kind : uint8_t { kMemory, kNotification, kPort };

// `bytes` only for kMemory, a multiple of a page.
absl::StatusOr<Handle> CreateObject(Kind kind, size_t bytes = 0);

// The object behind a descriptor that another process got from DescriptorOf; the descriptor is this
// table's from now on.
absl::StatusOr<Handle> ImportObject(Kind kind, int descriptor);

// Valid as long as the handle; -1 if there is none.
int DescriptorOf(Handle handle);

// Another handle to the same object, with a badge as cap_copy gives it.
absl::StatusOr<Handle> CopyHandle(Handle handle, uint64_t badge);

// A handle to `pages` pages of a memory from `first_page` on: as derived Memory, its bytes are the
// same.
absl::StatusOr<Handle> PartOf(Handle memory, uint64_t first_page, uint64_t pages);

// For who plays the kernel to code that chooses its own indices: handles below `end` are given out
// by MoveHandle only, which gives an object another, free handle.
void ReserveHandles(Handle end);
absl::Status MoveHandle(Handle from, Handle to);

// Takes a memory's pages away under everybody who has it mapped, as a revoked grant does.
void RevokeMemory(Handle handle);

// What Service() and FindCapability answer. Names of 1..23 bytes; at most
// StartInfo::kMaxCapabilities.
void SetServiceName(absl::string_view name);
void SetCapability(absl::string_view name, Handle handle, uint32_t value = 0);

// For the back-end's own files.
struct Object {
  Kind kind;
  int descriptor;
  uint64_t badge;
  void* shared;             // kNotification and kPort: the mapped state
  uint64_t first_page = 0;  // kMemory: of the descriptor's file
  uint64_t pages = 0;       // kMemory; 0: to the file's end
};
// nullptr if there is no such object of that kind. Entries stay where they are until CloseHandle.
const Object* Find(Handle handle, Kind kind);
void CloseHandle(Handle handle);

}  // namespace pyrene::runtime::host
