// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/service/disks.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/block/pool_channel.h"
#include "proto/connect.h"
#include "runtime/memory.h"
#include "runtime/service.h"
#include "services/xl/disk_message.h"

namespace pyrene::vmm {

absl::Status Disks::Open(proto::GuestConfig::Reader config, uint32_t domid, ServiceEnd rings) {
  domid_ = domid;
  rings_ = rings;
  queues_ = std::min<uint32_t>(config.getMaxVcpus(), blkif::Disk::kMaxQueues);
  for (const proto::Disk::Reader disk : config.getDisks()) {
    const std::string name = absl::StrCat("disk.", disks_.size());
    absl::Status status =
        Add(name, runtime::FindCapability(name), runtime::FindCapability(name + ".peer"), disk);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Disks::Add(const std::string& name, runtime::Handle memory, runtime::Handle peer,
                        proto::Disk::Reader disk) {
  if (memory == runtime::kNoHandle || peer == runtime::kNoHandle)
    return absl::InternalError(absl::StrCat("no channel ", name));
  absl::StatusOr<runtime::Memory> mapped =
      runtime::Memory::Map(memory, runtime::Access::kReadWrite);
  if (!mapped.ok()) return mapped.status();
  const block::DataMemory pool = block::PoolOf(*mapped);
  if (pool.data == nullptr) return absl::InternalError(absl::StrCat(name, " has no pool"));
  proto::Channel channel(name, *std::move(mapped), runtime::Notification::Adopt(peer),
                         proto::Side::kClient, proto::SchemaId<proto::BlockRequest>());
  auto vbd = std::make_unique<Vbd>(Vbd::Config{xl::DiskFromMessage(disk), domid_, queues_, rings_},
                                   store_, mutex_, std::move(channel), pool);
  std::lock_guard lock(mutex_);
  disks_.push_back({std::move(vbd)});
  if (domain_ != nullptr) disks_.back().vbd->SetDomain(*domain_);
  return absl::OkStatus();
}

Disks::Entry* Disks::Find(uint32_t number) {
  const auto found = std::find_if(disks_.begin(), disks_.end(), [number](const Entry& entry) {
    return entry.vbd->number() == number;
  });
  return found == disks_.end() ? nullptr : &*found;
}

absl::Status Disks::Attach(const init::Offer& offer, std::function<void()> seen) {
  runtime::OwnedHandle memory(offer.memory);
  runtime::OwnedHandle peer(offer.wake_peer);
  if (domain_ == nullptr) return absl::FailedPreconditionError("the guest does not run");
  if (Find(offer.disk.getNumber()) != nullptr) return absl::AlreadyExistsError("it is there");
  absl::Status status = Add(offer.name, memory.get(), peer.get(), offer.disk);
  if (!status.ok()) return status;
  static_cast<void>(peer.Release());  // the channel's
  disks_.back().memory = std::move(memory);
  StoreClient::Steps nodes;
  std::lock_guard lock(mutex_);
  for (const xl::XenstoreNode& node : disks_.back().vbd->Nodes()) {
    nodes.push_back(StoreClient::WriteNode(node));
    nodes.push_back(StoreClient::SetPermissions(node));
  }
  // All at once: the guest looks as soon as there is something.
  disks_.back().seen = std::move(seen);
  store_.RunNext({}, std::move(nodes),
                 [this, number = offer.disk.getNumber()](const absl::Status&) { OnSeen(number); });
  return absl::OkStatus();
}

void Disks::OnSeen(uint32_t number) {
  Entry* const entry = Find(number);
  if (entry == nullptr) return;
  if (const auto seen = std::exchange(entry->seen, nullptr); seen != nullptr) seen();
}

absl::Status Disks::Detach(uint32_t number, bool force,
                           std::function<void(const absl::Status&)> done) {
  Entry* const entry = Find(number);
  if (entry == nullptr) return absl::NotFoundError("the guest has no such disk");
  if (entry->detached != nullptr)
    return absl::FailedPreconditionError("the disk is being detached");
  entry->detached = std::move(done);
  entry->timer = loop_.AddTimer(runtime::MonotonicNow() + kDetachesWithin,
                                [this, number] { OnTooLate(number); });
  std::lock_guard lock(mutex_);
  entry->vbd->Detach(force, [this, number] { OnGone(number); });
  return absl::OkStatus();
}

void Disks::OnTooLate(uint32_t number) {
  Entry& entry = *Find(number);
  entry.timer = 0;
  {
    std::lock_guard lock(mutex_);
    entry.vbd->CancelDetaching();
  }
  std::exchange(entry.detached,
                nullptr)(absl::DeadlineExceededError("the guest does not let go of the disk"));
}

void Disks::OnGone(uint32_t number) {
  Entry* const entry = Find(number);
  loop_.CancelTimer(entry->timer);
  const std::function<void(const absl::Status&)> detached = std::move(entry->detached);
  {
    std::lock_guard lock(mutex_);
    disks_.erase(disks_.begin() + (entry - disks_.data()));
  }
  detached(absl::OkStatus());
}

void Disks::SetDomain(Domain& domain) {
  domain_ = &domain;
  for (const Entry& entry : disks_) entry.vbd->SetDomain(domain);
}

std::vector<xl::XenstoreNode> Disks::Nodes() {
  for (size_t i = disks_.size(); i-- > 0;) {
    if (disks_[i].vbd->detaching()) disks_[i].vbd->EndDetaching();
  }
  std::vector<xl::XenstoreNode> nodes;
  for (const Entry& entry : disks_) {
    OnSeen(entry.vbd->number());
    for (xl::XenstoreNode& node : entry.vbd->Nodes()) nodes.push_back(std::move(node));
  }
  return nodes;
}

void Disks::Reset() {
  std::lock_guard lock(mutex_);
  for (const Entry& entry : disks_) entry.vbd->Reset();
}

bool Disks::OnWake() {
  std::lock_guard lock(mutex_);
  const uint32_t before = Requests();
  bool more = false;
  for (const Entry& entry : disks_) more |= entry.vbd->OnWake();
  if (const uint32_t taken = Requests() - before; taken != 0) gathering_.Served(taken);
  return more;
}

Host::Served Disks::TryServe(const Vcpu& vcpu, bool may_put_off) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return Host::Served::kNo;
  if (may_put_off && gathering_.PutOff()) return Host::Served::kPutOff;
  const uint32_t before = Requests();
  bool done = true;
  for (const Entry& entry : disks_) done &= entry.vbd->ServeHere(vcpu);
  gathering_.Served(Requests() - before);
  return done ? Host::Served::kYes : Host::Served::kNo;
}

uint32_t Disks::Requests() const {
  uint32_t requests = 0;
  for (const Entry& entry : disks_) requests += entry.vbd->requests();
  return requests;
}

}  // namespace pyrene::vmm
