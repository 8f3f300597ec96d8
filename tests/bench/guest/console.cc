// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guest/console.h"

#include "tests/guest/hypercall.h"

namespace pyrene::guest::bench {
namespace {

constexpr uint64_t kConsoleWrite = 0;

// The shared page. The indices run freely.
struct Ring {
  char in[1024];
  char out[2048];
  uint32_t in_cons, in_prod;
  uint32_t out_cons, out_prod;
};
static_assert(sizeof(Ring) == 3088);

void Yield() { Hypercall(xen::kSchedOp, xen::kSchedYield); }

void Notify(uint32_t port) {
  xen::EvtchnPort argument = {port};
  Operate(xen::kEventChannelOp, xen::kSend, argument);
}

void WaitUntilFree(const Ring& ring, uint32_t bytes) {
  while (sizeof(ring.out) - (ring.out_prod - __atomic_load_n(&ring.out_cons, __ATOMIC_ACQUIRE)) <
         bytes)
    Yield();
}

void WriteToRing(Ring& ring, uint32_t port, const char* text, uint64_t length) {
  while (length != 0) {
    WaitUntilFree(ring, 1);
    uint32_t prod = ring.out_prod;
    const uint32_t cons = __atomic_load_n(&ring.out_cons, __ATOMIC_ACQUIRE);
    for (; length != 0 && prod - cons < sizeof(ring.out); --length)
      ring.out[prod++ % sizeof(ring.out)] = *text++;
    __atomic_store_n(&ring.out_prod, prod, __ATOMIC_RELEASE);
    Notify(port);
  }
  WaitUntilFree(ring, sizeof(ring.out));
}

}  // namespace

void WriteConsole(const char* text, uint64_t length) {
  const uint64_t frame = HvmParameter(xen::kParamConsolePfn);
  const uint64_t port = HvmParameter(xen::kParamConsoleEvtchn);
  if (frame != 0 && port != 0) {
    WriteToRing(*reinterpret_cast<Ring*>(frame << xen::kPageShift), static_cast<uint32_t>(port),
                text, length);
  } else {
    Hypercall(xen::kConsoleIo, kConsoleWrite, length, reinterpret_cast<uint64_t>(text));
  }
}

}  // namespace pyrene::guest::bench
