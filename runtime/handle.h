// SPDX-License-Identifier: Apache-2.0
//
// How a service names a kernel object: an index into its capability table; on the host, into a
// table of the process (runtime/host/objects.h).
#pragma once

#include "kernel/abi/capability.h"

namespace pyrene::runtime {

using Handle = CapIndex;
inline constexpr Handle kNoHandle = kNullCap;

// A handle whose object or copy this process made for itself: given up at the end of scope.
class OwnedHandle {
 public:
  OwnedHandle() = default;
  explicit OwnedHandle(Handle handle) : handle_(handle) {}
  OwnedHandle(OwnedHandle&& other) noexcept : handle_(other.Release()) {}
  OwnedHandle& operator=(OwnedHandle&& other) noexcept {
    if (this != &other) {
      Reset();
      handle_ = other.Release();
    }
    return *this;
  }
  ~OwnedHandle() { Reset(); }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != kNoHandle; }
  Handle Release() {
    const Handle handle = handle_;
    handle_ = kNoHandle;
    return handle;
  }
  // Deletes the capability, with all that descends from it, and frees its index.
  void Reset();

 private:
  Handle handle_ = kNoHandle;
};

}  // namespace pyrene::runtime
