// SPDX-License-Identifier: Apache-2.0
//
// What was done so far, in memory that a restart of this guest leaves alone (the loader writes only
// the image and the device tree). The guest may well destroy it: there are two copies, each with a
// checksum; when both are bad, counting begins anew, so that the count is never too high.
#pragma once

#include <cstdint>

namespace pyrene::hostile {

enum Kind : uint32_t { kHypercall, kFirmware, kMmio, kRegister, kGarbage, kWait, kKinds };

struct Totals {
  uint64_t boots;
  uint64_t finished;    // boots that did their share: the others crashed, hung or shut down
  uint64_t operations;  // executed to their end
  uint64_t by_kind[kKinds];
  uint64_t answered;  // that ended as if nothing had happened; the others in an exception
};

class Ledger {
 public:
  // What the copies say, or nothing.
  static Totals Load();
  // A crash in the middle of it leaves one copy as it was.
  static void Store(const Totals& totals);
};

}  // namespace pyrene::hostile
