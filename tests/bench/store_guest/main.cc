// SPDX-License-Identifier: Apache-2.0
//
// A guest without an operating system that measures its XenStore requests, from the request to its
// whole reply, and then how long it waits for one while somebody kills xenstore again and again
// (tools/bench_rows.py): all that is executed meanwhile, kill and restart included.
#include <cstdint>

#include "tests/bench/guest/console.h"
#include "tests/bench/guest/events.h"
#include "tests/bench/guest/longest.h"
#include "tests/bench/guest/report.h"
#include "tests/bench/guest/store.h"
#include "tests/guest/counter.h"
#include "tests/guest/text.h"

namespace pyrene::guest::bench {
namespace {

constexpr uint64_t kRequests = 1000;

constexpr char kName[] = "name";
constexpr char kWritten[] = "data/bench\0text";

uint64_t Ask(StoreRing& ring, StoreRequest type, uint32_t transaction, const char* payload,
             uint32_t length, StoreRing::Reply& reply) {
  const uint64_t begin = Counter();
  ring.Ask(type, transaction, payload, length, reply);
  return Counter() - begin;
}

uint64_t Read(StoreRing& ring) {
  StoreRing::Reply reply;
  return Ask(ring, StoreRequest::kRead, 0, kName, sizeof(kName), reply);
}

uint64_t Write(StoreRing& ring, uint32_t transaction) {
  StoreRing::Reply reply;
  return Ask(ring, StoreRequest::kWrite, transaction, kWritten, sizeof(kWritten) - 1, reply);
}

// With one write in it.
uint64_t Transact(StoreRing& ring) {
  StoreRing::Reply reply;
  uint64_t ticks = Ask(ring, StoreRequest::kTransactionStart, 0, "", 1, reply);
  uint32_t transaction = 0;
  for (uint32_t i = 0; i < reply.length && reply.payload[i] != '\0'; ++i)
    transaction = transaction * 10 + static_cast<uint32_t>(reply.payload[i] - '0');
  ticks += Write(ring, transaction);
  return ticks + Ask(ring, StoreRequest::kTransactionEnd, transaction, "T", 2, reply);
}

template <typename Operation>
void Measure(const char* name, Operation operation) {
  uint64_t ticks = 0;
  for (uint64_t i = 0; i < kRequests; ++i) ticks += operation();
  Report(name, ticks, kRequests);
}

// Of all reads those that took longest met the kills. Ends when the name is another one.
void MeasureBlackouts(StoreRing& ring) {
  Longest longest;
  StoreRing::Reply reply;
  Ask(ring, StoreRequest::kRead, 0, kName, sizeof(kName), reply);
  const char name = reply.payload[0];
  while (reply.payload[0] == name)
    longest.Add(Ask(ring, StoreRequest::kRead, 0, kName, sizeof(kName), reply));
  Report("blackout_xenstore_median", longest.median(), 1);
  Report("blackout_xenstore_worst", longest.worst(), 1);
}

}  // namespace

extern "C" void HandleInterrupt() {}

extern "C" void GuestMain() {
  MapSharedInfo();
  StoreRing ring;
  Measure("xenstore_read", [&] { return Read(ring); });
  Measure("xenstore_write", [&] { return Write(ring, 0); });
  Measure("xenstore_transaction", [&] { return Transact(ring); });
  Text<64> ready;
  ready << "ready to be kept waiting " << kKills << " times\n";
  WriteConsole(ready.data(), ready.size());
  MeasureBlackouts(ring);
  Finish();
}

}  // namespace pyrene::guest::bench
