// SPDX-License-Identifier: Apache-2.0
//
// The GPT part of partition_table.h.
#pragma once

#include "platform/block/partition_table.h"

namespace pyrene::block {

// The first copy, or the one in the disk's last sector. Fills scheme, from_backup, partitions and
// problems. DataLoss: both are damaged.
absl::Status ReadGpt(const ReadSectors& read, uint64_t sectors, uint32_t sector_bytes,
                     PartitionTable& table);

}  // namespace pyrene::block
