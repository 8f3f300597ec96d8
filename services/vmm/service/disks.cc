// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/service/disks.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/block/pool_channel.h"
#include "proto/connect.h"
#include "runtime/memory.h"
#include "runtime/service.h"
#include "services/xl/disk_message.h"

namespace pyrene::vmm {

absl::Status Disks::Open(proto::GuestConfig::Reader config, uint32_t domid, ServiceEnd rings,
                         StoreClient& store) {
  for (const proto::Disk::Reader disk : config.getDisks()) {
    const std::string name = absl::StrCat("disk.", disks_.size());
    const runtime::Handle cap = runtime::FindCapability(name);
    const runtime::Handle peer = runtime::FindCapability(name + ".peer");
    if (cap == kNullCap || peer == kNullCap)
      return absl::InternalError(absl::StrCat("no channel ", name));
    absl::StatusOr<runtime::Memory> memory = runtime::Memory::Map(cap, runtime::Access::kReadWrite);
    if (!memory.ok()) return memory.status();
    const block::DataMemory pool = block::PoolOf(*memory);
    if (pool.data == nullptr) return absl::InternalError(absl::StrCat(name, " has no pool"));
    proto::Channel channel(name, *std::move(memory), runtime::Notification::Adopt(peer),
                           proto::Side::kClient, proto::SchemaId<proto::BlockRequest>());
    const uint32_t queues = std::min<uint32_t>(config.getMaxVcpus(), blkif::Disk::kMaxQueues);
    disks_.push_back(
        std::make_unique<Vbd>(Vbd::Config{xl::DiskFromMessage(disk), domid, queues, rings}, store,
                              std::move(channel), pool));
  }
  return absl::OkStatus();
}

void Disks::SetDomain(Domain& domain) {
  for (const auto& disk : disks_) disk->SetDomain(domain);
}

std::vector<xl::XenstoreNode> Disks::Nodes() {
  std::vector<xl::XenstoreNode> nodes;
  for (const auto& disk : disks_) {
    for (xl::XenstoreNode& node : disk->Nodes()) nodes.push_back(std::move(node));
  }
  return nodes;
}

void Disks::Reset() {
  for (const auto& disk : disks_) disk->Reset();
}

bool Disks::OnWake() {
  bool more = false;
  for (const auto& disk : disks_) more |= disk->OnWake();
  return more;
}

bool Disks::Serve() {
  bool more = false;
  for (const auto& disk : disks_) more |= disk->Serve();
  return more;
}

}  // namespace pyrene::vmm
