// SPDX-License-Identifier: Apache-2.0
//
// Called before each read of bytes that another domain can write at any time. In the system's
// services it is nothing. In the builds that fuzz (PYRENE_LOAD_HOOKS) a target may give it a
// function, which changes those bytes at the places that its input chooses: a value that is read
// twice is then two values, and on every replay the same two.
#pragma once

#include <cstddef>

namespace pyrene::runtime {

#ifdef PYRENE_LOAD_HOOKS

class LoadHook {
 public:
  virtual ~LoadHook() = default;
  virtual void BeforeLoad(const void* from, size_t bytes) = 0;
};
// Nobody's, until a target sets it. The targets have one thread.
inline LoadHook* load_hook = nullptr;

inline void BeforeLoad(const void* from, size_t bytes) {
  if (load_hook != nullptr) load_hook->BeforeLoad(from, bytes);
}

#else

constexpr void BeforeLoad(const void*, size_t) {}

#endif

}  // namespace pyrene::runtime
