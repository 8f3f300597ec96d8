// SPDX-License-Identifier: Apache-2.0
#include "services/init/link.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/channel_layout.h"

namespace pyrene::init {

absl::StatusOr<Link> Link::Create(RamPool& pool, const std::string& name, uint64_t schema_id,
                                  uint32_t ring_bytes, uint32_t pool_kib) {
  const uint64_t bytes =
      proto::ChannelPage::kBytes + 2 * uint64_t{ring_bytes} + pool_kib * uint64_t{1024};
  const uint64_t pages = (bytes + runtime::kPageBytes - 1) / runtime::kPageBytes;
  absl::StatusOr<Ram> memory = pool.Allocate(pages, 0, absl::StrCat("channel ", name));
  if (!memory.ok()) return memory.status();
  absl::StatusOr<runtime::Memory> header = memory->Map(0, 1);
  if (!header.ok()) return header.status();
  absl::Status status =
      proto::FormatChannel(header->data(), pages * runtime::kPageBytes, schema_id, ring_bytes);
  if (!status.ok()) return status;
  Link link;
  link.memory_ = *std::move(memory);
  link.header_ = *std::move(header);
  return link;
}

void Link::StartEpoch() {
  if (++epoch_ == 0) epoch_ = 1;
  proto::StartEpoch(header_.data(), epoch_);
}

}  // namespace pyrene::init
