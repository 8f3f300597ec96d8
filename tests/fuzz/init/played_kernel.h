// SPDX-License-Identifier: Apache-2.0
//
// The kernel as init knows it, played on the host: the system calls that init makes, on the host
// back-end's objects. Domains run nothing: a target does what their threads would do.
//
// Other than the kernel: a capability is lost with the one that its object was made by, but not
// with one that it was copied from in between; rights are kept, and not asked for.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "kernel/abi/capability.h"
#include "kernel/abi/status.h"
#include "kernel/abi/syscall.h"
#include "runtime/handle.h"
#include "runtime/kernel/svc.h"

namespace pyrene::fuzz {

// Thrown by what ends init, or the machine: nothing of init runs any more.
struct MachineEnded {};

class PlayedKernel {
 public:
  static PlayedKernel& Get();

  // A new machine: no capability is left.
  void Reset();

  // A capability that init is given at boot, for a memory of the caller's.
  CapIndex Give(runtime::Handle memory, uint64_t first_page, uint64_t pages);

  // Init's handle of the object with this number; kNoHandle: it is gone.
  runtime::Handle HandleOf(uint64_t object) const;
  // How many objects init has made and not deleted.
  size_t objects() const { return made_.size(); }

  // Init's own thread, the zeroer, is played, too: what it is woken for is done at once, and the
  // loop is told by this bit.
  void SetZeroer(runtime::Handle loop, uint64_t bits) {
    loop_ = loop;
    zeroer_bits_ = bits;
  }

  // The domain of init's capability `domain` has ended: its supervisor is told.
  void End(CapIndex domain, FaultKind kind, uint64_t status);

  sys::internal::Answer Call(Syscall number, const uint64_t (&in)[6]);

 private:
  PlayedKernel();

  struct Entry;
  struct Thing {
    ObjectType type = ObjectType::kNone;
    uint64_t id = 0;
    bool gone = false;
    // A domain's.
    uint64_t quota = 0;
    CapIndex supervisor = kNullCap;
    uint64_t supervisor_bits = 0;
    FaultKind fault = FaultKind::kNone;
    uint64_t fault_status = 0;
    std::map<CapIndex, Entry> table;
  };
  struct Entry {
    std::shared_ptr<Thing> thing;
    Rights rights = 0;
    uint64_t badge = 0;
    bool made = false;  // the object dies with it
  };
  using Answer = sys::internal::Answer;

  Entry* Find(CapIndex index);
  Entry* FindIn(uint64_t domain, CapIndex index);
  Status Put(CapIndex index, Entry entry, runtime::Handle handle);
  Status Make(CapIndex index, ObjectType type, Rights rights, runtime::Handle handle,
              uint64_t quota = 0);
  Status Copy(uint64_t domain, CapIndex index, CapIndex source, Rights rights, uint64_t badge);
  Status Delete(CapIndex index);
  Answer Inspect(uint64_t domain, CapIndex index);
  Status Derive(CapIndex index, CapIndex source, uint64_t first_page, uint64_t pages,
                Rights rights);
  Status Map(CapIndex domain, CapIndex memory, uint64_t first_page, uint64_t pages);
  Status Signal(CapIndex index, uint64_t bits);
  Answer Wait(CapIndex index, uint64_t mask);

  std::map<CapIndex, Entry> own_;
  std::map<uint64_t, CapIndex> made_;  // by the object's number: the capability that made it
  uint64_t next_id_ = 1;
  CapIndex newest_notification_ = kNullCap;
  CapIndex zeroer_ = kNullCap;
  runtime::Handle loop_ = runtime::kNoHandle;
  uint64_t zeroer_bits_ = 0;
};

}  // namespace pyrene::fuzz
