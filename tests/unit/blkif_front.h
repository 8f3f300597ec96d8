// SPDX-License-Identifier: Apache-2.0
//
// A guest with a blkif ring, as tests play it: pages by grant reference, and its side of a ring.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <map>
#include <set>
#include <vector>

#include "services/vmm/blkif/disk.h"

namespace pyrene::vmm::blkif {

inline constexpr uint32_t kPort = 7;
// Grant references: the ring's pages, then the guest's others.
inline constexpr uint32_t kFirstRing = 1;
inline constexpr uint32_t kFirstPage = 20;
inline constexpr uint32_t kGrants = 200;

class GuestPages : public World {
 public:
  GuestPages() : pages_(kGrants) {
    for (auto& page : pages_) page.resize(kPageBytes);
  }

  uint8_t* Pin(uint32_t ref, bool write) override {
    if (ref >= kGrants || refused.contains(ref) || (write && read_only.contains(ref)))
      return nullptr;
    ++pins[ref];
    return pages_[ref].data();
  }
  void Unpin(uint32_t ref, bool) override { --pins[ref]; }
  bool Copy(uint32_t ref, uint32_t offset, uint8_t* data, uint32_t bytes, bool to_guest) override {
    uint8_t* const page = Pin(ref, to_guest);
    if (page == nullptr) return false;
    memcpy(to_guest ? page + offset : data, to_guest ? data : page + offset, bytes);
    Unpin(ref, to_guest);
    return true;
  }
  void Notify(uint32_t port) override {
    EXPECT_EQ(port, kPort);
    ++notified;
  }

  uint8_t* page(uint32_t ref) { return pages_[ref].data(); }

  std::map<uint32_t, int> pins;
  std::set<uint32_t> refused, read_only;
  int notified = 0;

 private:
  std::vector<std::vector<uint8_t>> pages_;
};

// The guest's side of one ring.
class Front {
 public:
  Front(GuestPages& world, uint32_t pages) : world_(world), entries_(EntriesOf(pages)) {
    for (uint32_t i = 0; i < pages; ++i) refs_.push_back(kFirstRing + i);
    header()->req_event = header()->rsp_event = 1;
  }

  RingHeader* header() { return reinterpret_cast<RingHeader*>(world_.page(refs_[0])); }
  Disk::RingPlace place() const { return {refs_, kPort}; }
  uint32_t entries() const { return entries_; }

  void Push(const Request& request) {
    Bytes(produced_ % entries_, sizeof(request),
          [&](uint8_t* at, size_t i) { *at = reinterpret_cast<const uint8_t*>(&request)[i]; });
    header()->req_prod = ++produced_;
  }
  bool Pop(Response* response) {
    if (consumed_ == header()->rsp_prod) return false;
    Bytes(consumed_++ % entries_, sizeof(*response),
          [&](uint8_t* at, size_t i) { reinterpret_cast<uint8_t*>(response)[i] = *at; });
    header()->rsp_event = consumed_ + 1;
    return true;
  }
  uint32_t free() const { return entries_ - (produced_ - consumed_); }

 private:
  template <typename Function>
  void Bytes(uint32_t index, size_t bytes, Function function) {
    for (size_t i = 0; i < bytes; ++i) {
      const size_t offset = kHeaderBytes + index * kEntryBytes + i;
      function(world_.page(refs_[offset / kPageBytes]) + offset % kPageBytes, i);
    }
  }

  GuestPages& world_;
  std::vector<uint32_t> refs_;
  const uint32_t entries_;
  uint32_t produced_ = 0, consumed_ = 0;
};

inline Request Direct(uint8_t operation, uint64_t id, uint64_t sector,
                      std::initializer_list<Segment> segments) {
  Request request;
  memset(&request, 0xee, sizeof(request));
  request.direct.operation = operation;
  request.direct.segments = static_cast<uint8_t>(segments.size());
  request.direct.id = id;
  request.direct.sector = sector;
  std::copy(segments.begin(), segments.end(), request.direct.segment);
  return request;
}

}  // namespace pyrene::vmm::blkif
