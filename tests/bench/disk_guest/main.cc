// SPDX-License-Identifier: Apache-2.0
//
// A guest without an operating system that reads and writes its disk all the time, and measures how
// long a request takes that meets the death of blkback, then of the disk's driver, which somebody
// kills again and again (tools/bench_blackouts.py): all that is executed meanwhile, kill and
// restart included. Whoever kills writes the guest's name to say that one is over.
#include <cstdint>

#include "tests/bench/guest/block.h"
#include "tests/bench/guest/console.h"
#include "tests/bench/guest/events.h"
#include "tests/bench/guest/longest.h"
#include "tests/bench/guest/report.h"
#include "tests/bench/guest/store.h"
#include "tests/guest/text.h"

namespace pyrene::guest::bench {
namespace {

constexpr unsigned kRequests = 16;  // between two looks at the name
constexpr uint64_t kSectors = 2048;

char Name(StoreRing& store) {
  constexpr char kName[] = "name";
  StoreRing::Reply reply;
  store.Ask(StoreRequest::kRead, 0, kName, sizeof(kName), reply);
  return reply.payload[0];
}

Longest UntilRenamed(StoreRing& store, BlockRing& disk) {
  Longest longest;
  const char name = Name(store);
  uint64_t sector = 0;
  while (Name(store) == name) {
    for (unsigned i = 0; i < kRequests; ++i) {
      sector = (sector + BlockRing::kSectors) % kSectors;
      longest.Add(i % 2 == 0 ? disk.Read(sector) : disk.Write(sector));
    }
  }
  return longest;
}

}  // namespace

extern "C" void HandleInterrupt() {}

extern "C" void GuestMain() {
  MapSharedInfo();
  StoreRing store;
  BlockRing disk(store);
  Text<64> ready;
  ready << "ready to be kept waiting " << kKills << " times\n";
  WriteConsole(ready.data(), ready.size());
  const Longest back_end = UntilRenamed(store, disk);
  const Longest driver = UntilRenamed(store, disk);
  Report("blackout_blkback_median", back_end.median(), 1);
  Report("blackout_blkback_worst", back_end.worst(), 1);
  Report("blackout_virtio_blk_median", driver.median(), 1);
  Report("blackout_virtio_blk_worst", driver.worst(), 1);
  Finish();
}

}  // namespace pyrene::guest::bench
