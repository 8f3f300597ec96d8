// SPDX-License-Identifier: Apache-2.0
//
// The structure lock: capability tables, the derivation tree, accounts, page tables, objects'
// creation and end. One for the machine: none of this is on a hot path (entry and exit, call and
// reply, signal and wait take no global lock).
//
// A CPU that waits for it and has an interrupt pending gives up, and its system call is made again
// afterwards; so whoever holds the lock may wait for other CPUs to leave the kernel (Quiesce,
// Thread::Stop).
#pragma once

namespace pyrene {

class StructureLock final {
 public:
  // Check held() before anything else.
  StructureLock();
  ~StructureLock();
  StructureLock(const StructureLock&) = delete;
  StructureLock& operator=(const StructureLock&) = delete;
  bool held() const { return held_; }

 private:
  bool held_;
};

}  // namespace pyrene
