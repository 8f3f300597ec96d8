// SPDX-License-Identifier: Apache-2.0
#include "proto/connect.h"

#include "absl/strings/str_cat.h"
#include "runtime/service.h"

namespace pyrene::proto {

absl::StatusOr<Channel> OpenChannel(const std::string& name, Side side, uint64_t schema_id,
                                    runtime::Handle memory, runtime::Handle wake_peer) {
  absl::StatusOr<runtime::Memory> mapped =
      runtime::Memory::Map(memory, runtime::Access::kReadWrite);
  if (!mapped.ok()) return mapped.status();
  return Channel(name, std::move(*mapped), runtime::Notification::Adopt(wake_peer), side,
                 schema_id);
}

absl::StatusOr<NamedChannel> OpenChannel(const std::string& name, Side side, uint64_t schema_id) {
  const NamedCapability* const memory = runtime::FindNamed(name);
  const runtime::Handle peer = runtime::FindCapability(absl::StrCat(name, ".peer"));
  if (memory == nullptr || peer == kNullCap)
    return absl::NotFoundError(absl::StrCat("no channel ", name));
  if (memory->value >= 64)
    return absl::OutOfRangeError(absl::StrCat("channel ", name, ": bit ", memory->value));
  absl::StatusOr<Channel> channel = OpenChannel(name, side, schema_id, memory->cap, peer);
  if (!channel.ok()) return channel.status();
  return NamedChannel{std::move(*channel), memory->value};
}

}  // namespace pyrene::proto
