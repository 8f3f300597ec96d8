// SPDX-License-Identifier: Apache-2.0
//
// What all kernel objects have: a number for diagnostics, never reused, and the account that paid.
#pragma once

#include <cstdint>

#include "kernel/memory/account.h"

namespace pyrene {

class Object {
 public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  uint64_t id() const { return id_; }
  Account& payer() const { return *payer_; }

 protected:
  explicit Object(Account& payer)
      : payer_(&payer), id_(__atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED)) {}
  ~Object() = default;

 private:
  static inline uint64_t last_id = 0;
  Account* payer_;
  uint64_t id_;
};

}  // namespace pyrene
