// SPDX-License-Identifier: Apache-2.0
//
// A kernel object that init made, or a capability that the kernel gave it: owned, and known by name
// for `ps -c`.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernel/abi/capability.h"
#include "kernel/abi/status.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/error.h"

namespace pyrene::init {

class Object {
 public:
  Object() = default;  // none
  // Takes over the capability at `cap`.
  Object(CapIndex cap, std::string name);
  Object(Object&& other) noexcept { *this = std::move(other); }
  Object& operator=(Object&& other) noexcept;
  ~Object() { Reset(); }

  // `make(index)` is a system call that fills a fresh index of init's table.
  template <typename Make>
  static absl::StatusOr<Object> Create(std::string name, Make make);

  CapIndex cap() const { return cap_; }
  explicit operator bool() const { return cap_ != kNullCap; }
  // Deletes the capability, the object if this made it, and everything that descends from it.
  void Reset();

 private:
  CapIndex cap_ = kNullCap;
  uint64_t id_ = 0;  // 0: a kind without number
};

// A name for one that the kernel gave init and that stays.
void NameObject(CapIndex cap, std::string name);

// What init calls the object with the kernel's number `id`; empty: not one of init's.
absl::string_view ObjectName(uint64_t id);

template <typename Make>
absl::StatusOr<Object> Object::Create(std::string name, Make make) {
  const CapIndex cap = runtime::Caps().Allocate();
  if (cap == kNullCap) return absl::ResourceExhaustedError("init's capability table is full");
  if (const Status status = make(cap); status != Status::kOk) {
    runtime::Caps().Free(cap);
    return runtime::ToStatus(status, name);
  }
  return Object(cap, std::move(name));
}

}  // namespace pyrene::init
