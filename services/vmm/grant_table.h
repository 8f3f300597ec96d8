// SPDX-License-Identifier: Apache-2.0
//
// Grant table, version 1, of one guest (ABI 4): the table's frames, and who uses what the guest
// granted ("pins").
//
// The guest writes entries at any time. A pin takes an entry by one 32-bit compare-and-swap over
// flags and domid that checks what it replaces and sets `reading` (and `writing`); the frame number
// is read after it, once, and kept while the pin lasts. A guest that honours the flags does not
// recycle the page meanwhile; one that does not harms itself. An unpin clears the flags after the
// user's last access, by a store with release order.
// Back-ends call pin and unpin by their domid (the badge of their port), and their pins go all at
// once when they come back after a crash (DropEpoch). A guest's own maps and copies (gntdev) are
// pins of its own domid.
//
// Any thread; mutex_ guards everything but the table itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "services/vmm/guest_memory.h"
#include "services/vmm/host.h"
#include "services/vmm/mutex.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

class GrantTable {
 public:
  // The table may grow to `max_frames`, at most those of the memory; a guest may have `max_maps`
  // maps of its own.
  GrantTable(Host& host, GuestMemory& memory, uint16_t domid, uint32_t max_frames,
             uint32_t max_maps);

  // One empty frame, no pins, no maps. No vCPU runs.
  void Reset();

  // An entry that the toolstack fills in before the guest runs (console, xenstore).
  void Seed(uint32_t ref, uint16_t domid, uint32_t gfn);

  uint32_t frames() const { return frames_.load(std::memory_order_relaxed); }
  uint32_t max_frames() const { return max_frames_; }
  // Makes frame `index` exist. False: over the limit.
  bool Grow(uint32_t index);

  // ---- for back-ends ----
  // The guest frame behind a reference, for `domid`, to be written or only read.
  xen::GrantStatus Pin(uint16_t domid, uint32_t ref, bool write, uint32_t* gfn);
  // Gives back what one Pin with the same arguments took. False: there was no such pin.
  bool Unpin(uint16_t domid, uint32_t ref, bool write);
  // Gives back all pins of that domid; how many there were.
  uint32_t DropEpoch(uint16_t domid);
  // Reads or writes through a reference, as pin, copy and unpin. `offset` + `length` at most a
  // page. The memory at `to` and `from` may be gone: kGrantGeneralError.
  xen::GrantStatus CopyFrom(uint16_t domid, uint32_t ref, uint32_t offset, void* to,
                            uint32_t length);
  xen::GrantStatus CopyTo(uint16_t domid, uint32_t ref, uint32_t offset, const void* from,
                          uint32_t length);
  // The first pinned reference from `ref` on that belongs to the domid, for offering capabilities
  // again. False: no more.
  bool NextPin(uint16_t domid, uint32_t* ref, uint32_t* gfn, bool* write);

  // ---- for the guest: the operations on one element; results in its status ----
  void Map(xen::GrantMap* op);
  void Unmap(xen::GrantUnmap* op);
  void Copy(xen::GrantCopy* op);

  uint32_t pins();  // in use now

 private:
  struct Entry {  // the back side of a grant entry
    uint32_t gfn = 0;
    uint16_t domid = 0;
    uint16_t readers = 0;  // every pin counts here
    uint16_t writers = 0;  // and those that write here too
  };
  struct MapRecord {
    uint64_t gfn = 0;
    uint32_t ref = 0;
    bool used = false;
    bool write = false;
  };

  xen::GrantEntry* TableEntry(uint32_t ref) const {
    return reinterpret_cast<xen::GrantEntry*>(memory_.frames().grant_table) + ref;
  }
  Entry* Find(uint32_t ref) {
    return ref / xen::kGrantsPerFrame < frames()
               ? &entries_[ref / xen::kGrantsPerFrame][ref % xen::kGrantsPerFrame]
               : nullptr;
  }
  // Sets the flags by which the guest sees that the entry is in use, if `domid` may use it so.
  xen::GrantStatus Mark(uint32_t ref, uint16_t domid, bool write) const;
  void Unmark(uint32_t ref, uint16_t flags) const;
  // Pin, `bool use(page)`, unpin.
  template <typename Use>
  xen::GrantStatus WithPage(uint16_t domid, uint32_t ref, bool write, Use use);
  xen::GrantStatus PinLocked(uint16_t domid, uint32_t ref, bool write, uint32_t* gfn);
  bool UnpinLocked(uint16_t domid, uint32_t ref, bool write);
  bool IsSelf(uint16_t domid) const { return domid == xen::kDomidSelf || domid == domid_; }
  // One end of a copy: its page, and what has to be unpinned afterwards.
  xen::GrantStatus OpenCopyEnd(const xen::GrantCopyEnd& end, bool is_ref, bool write,
                               std::byte** page);

  Host& host_;
  GuestMemory& memory_;
  const uint16_t domid_;
  const uint32_t max_frames_;
  const uint32_t max_maps_;

  Mutex mutex_;
  std::atomic<uint32_t> frames_{0};
  std::unique_ptr<std::unique_ptr<Entry[]>[]> entries_;
  std::unique_ptr<MapRecord[]> maps_;
  uint32_t pins_ = 0;
};

}  // namespace pyrene::vmm
