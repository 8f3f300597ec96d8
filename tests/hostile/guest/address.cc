// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/guest/address.h"

#include "tests/guest/hypercall.h"

namespace pyrene::guest::hostile {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kImageBegin = xen::kRam0Base;

uint64_t Base(Random& random) {
  switch (random.Below(10)) {
    case 0:
      return xen::kGicdBase;
    case 1:
      return xen::kGiccBase;
    case 2:
      return xen::kMagicBase;
    case 3:
      return 0x38000000;  // where grant frames are mapped
    case 4:
      return 0;
    case 5:
      return uint64_t{1} << (random.Below(28) + 12);  // up to 2^39
    case 6:
      return random.Next() & 0x7ffffff000;
    default:
      return kScratch + random.Below(kScratchBytes);
  }
}

}  // namespace

uint64_t Address(Random& random) {
  uint64_t address = Base(random);
  switch (random.Below(4)) {
    case 0:
      address += random.Below(2 * kPage);
      break;
    case 1:
      address -= random.Below(64);
      break;
    default:
      address = (address & ~(kPage - 1)) + (random.Below(kPage) & ~uint64_t{7});
      break;
  }
  const bool in_image = address >= kImageBegin && address < kScratch;
  return in_image ? address + (kScratch - kImageBegin) : address;
}

uint64_t Number(Random& random) {
  switch (random.Below(6)) {
    case 0:
      return random.Below(64);
    case 1:
      return (uint64_t{1} << random.Below(64)) - random.Below(2);
    case 2:
      return ~uint64_t{0} - random.Below(3);
    case 3:
      return random.Next();
    case 4:
      return random.Next() & 0xffffffff;
    default:
      return Address(random);
  }
}

}  // namespace pyrene::guest::hostile
