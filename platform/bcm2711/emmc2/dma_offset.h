// SPDX-License-Identifier: Apache-2.0
//
// What the bus of the SD controller adds to a physical address. The first steppings of the BCM2711
// see RAM from 3 GiB on, later ones from 0; the firmware says in the device tree which it is.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pyrene::emmc2 {

// `dma-ranges` of the parent of the node `brcm,bcm2711-emmc2`. NotFound: no such node, or its bus
// does not reach the first gigabyte, where DMA memory is.
absl::StatusOr<uint64_t> DmaOffset(absl::Span<const uint8_t> tree);

}  // namespace pyrene::emmc2
