// SPDX-License-Identifier: Apache-2.0
//
// Xen's block interface as numbers and layouts (ABI 7): what a guest's front-end and its back-end
// exchange in a shared ring. Fixed by existing guests; little-endian, 64-bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::vmm::blkif {

inline constexpr uint32_t kPageBytes = 4096;
inline constexpr uint32_t kSectorBytes = 512;
inline constexpr uint32_t kSectorsPerPage = kPageBytes / kSectorBytes;

// The ring's first bytes; entries follow at kHeaderBytes.
struct RingHeader {
  uint32_t req_prod;   // guest
  uint32_t req_event;  // back-end: the guest notifies when req_prod passes it
  uint32_t rsp_prod;   // back-end
  uint32_t rsp_event;  // guest
};
inline constexpr uint32_t kHeaderBytes = 64;
inline constexpr uint32_t kEntryBytes = 112;
inline constexpr uint32_t kMaxRingOrder = 4;

enum Operation : uint8_t {
  kRead = 0,
  kWrite = 1,
  kWriteBarrier = 2,
  kFlush = 3,
  kDiscard = 5,
  kIndirect = 6,
};

struct Segment {
  uint32_t gref;
  uint8_t first_sector;  // in its page, 0..7
  uint8_t last_sector;   // inclusive
  uint16_t pad;
};
static_assert(sizeof(Segment) == 8);
inline constexpr uint32_t kDirectSegments = 11;

// One entry of the ring as the guest wrote it, in its three forms.
union Request {
  struct {
    uint8_t operation;
    uint8_t segments;
    uint16_t handle;
    uint32_t pad;
    uint64_t id;
    uint64_t sector;
    Segment segment[kDirectSegments];
  } direct;
  struct {
    uint8_t operation;
    uint8_t flag;
    uint16_t handle;
    uint32_t pad;
    uint64_t id;
    uint64_t sector;
    uint64_t sectors;
  } discard;
  struct {
    uint8_t operation;
    uint8_t indirect_operation;
    uint16_t segments;
    uint32_t pad;
    uint64_t id;
    uint64_t sector;
    uint16_t handle;
    uint16_t pad2;
    uint32_t page[8];  // grants of pages of 512 segments each
  } indirect;
};
static_assert(sizeof(Request) == kEntryBytes);
static_assert(offsetof(Request, direct.segment) == 24 && offsetof(Request, discard.sectors) == 24);
static_assert(offsetof(Request, indirect.page) == 28);

inline constexpr int16_t kOk = 0;
inline constexpr int16_t kError = -1;
inline constexpr int16_t kNotSupported = -2;

struct Response {
  uint64_t id;
  uint8_t operation;
  uint8_t pad0;
  int16_t status;
  uint32_t pad1;
};
static_assert(sizeof(Response) == 16 && offsetof(Response, status) == 10);

// Of a ring of that many pages: the largest power of two that fits.
constexpr uint32_t EntriesOf(uint32_t pages) {
  uint32_t entries = 1;
  while (kHeaderBytes + 2 * entries * kEntryBytes <= pages * kPageBytes) entries *= 2;
  return entries;
}
static_assert(EntriesOf(1) == 32 && EntriesOf(16) == 512);

}  // namespace pyrene::vmm::blkif
