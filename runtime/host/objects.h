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
  void* shared;  // kNotification and kPort: the mapped state
};
// nullptr if there is no such object of that kind. Entries stay where they are until CloseHandle.
const Object* Find(Handle handle, Kind kind);
void CloseHandle(Handle handle);

}  // namespace pyrene::runtime::host
