// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/service/disks.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "platform/block/pool_channel.h"
#include "proto/connect.h"
#include "proto/pv_rings.h"
#include "runtime/memory.h"
#include "runtime/service.h"
#include "services/xl/disk_message.h"

namespace pyrene::vmm {
namespace {

std::vector<runtime::Handle> FindPieces(const std::string& disk) {
  std::vector<runtime::Handle> pieces;
  for (;;) {
    const runtime::Handle piece = runtime::FindCapability(absl::StrCat(disk, ".", pieces.size()));
    if (piece == runtime::kNoHandle) return pieces;
    pieces.push_back(piece);
  }
}

}  // namespace

absl::Status Disks::Open(proto::GuestConfig::Reader config, uint32_t domid, ServiceEnd rings) {
  domid_ = domid;
  rings_ = rings;
  queues_ = std::min<uint32_t>(config.getMaxVcpus(), blkif::Disk::kMaxQueues);
  for (const proto::Disk::Reader disk : config.getDisks()) {
    const std::string name = absl::StrCat("disk.", disks_.size());
    absl::Status status = disk.isRam() ? AddRam(FindPieces(name), disk)
                                       : AddServed(name, runtime::FindCapability(name),
                                                   runtime::FindCapability(name + ".peer"), disk);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

Vbd::Config Disks::ConfigOf(proto::Disk::Reader disk) const {
  return {xl::DiskFromMessage(disk), domid_, queues_, rings_};
}

absl::Status Disks::AddRam(const std::vector<runtime::Handle>& pieces, proto::Disk::Reader disk) {
  std::vector<runtime::Memory> mapped;
  uint64_t bytes = 0;
  for (const runtime::Handle piece : pieces) {
    absl::StatusOr<runtime::Memory> memory =
        runtime::Memory::Map(piece, runtime::Access::kReadWrite);
    if (!memory.ok()) return memory.status();
    bytes += memory->size();
    mapped.push_back(*std::move(memory));
  }
  if (bytes != disk.getRam()) return absl::InternalError("not all of the disk's memory is there");
  Add(std::make_unique<Vbd>(ConfigOf(disk), store_, mutex_, std::move(mapped)));
  return absl::OkStatus();
}

absl::Status Disks::AddServed(const std::string& name, runtime::Handle memory, runtime::Handle peer,
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
  Add(std::make_unique<Vbd>(ConfigOf(disk), store_, mutex_, std::move(channel), pool));
  return absl::OkStatus();
}

void Disks::Add(std::unique_ptr<Vbd> vbd) {
  std::lock_guard lock(mutex_);
  disks_.push_back({std::move(vbd)});
  if (domain_ != nullptr) disks_.back().vbd->SetDomain(*domain_);
}

Disks::Entry* Disks::Find(uint32_t number) {
  const auto found = std::find_if(disks_.begin(), disks_.end(), [number](const Entry& entry) {
    return entry.vbd->number() == number;
  });
  return found == disks_.end() ? nullptr : &*found;
}

absl::Status Disks::Attach(const init::Offer& offer, std::function<void()> seen) {
  return offer.schema_id == proto::kRamDisk ? AttachRam(offer, std::move(seen))
                                            : AttachServed(offer, std::move(seen));
}

absl::Status Disks::CheckAttach(proto::Disk::Reader disk) {
  if (domain_ == nullptr) return absl::FailedPreconditionError("the guest does not run");
  if (Find(disk.getNumber()) != nullptr) return absl::AlreadyExistsError("it is there");
  return absl::OkStatus();
}

absl::Status Disks::AttachServed(const init::Offer& offer, std::function<void()> seen) {
  runtime::OwnedHandle memory(offer.memory);
  runtime::OwnedHandle peer(offer.wake_peer);
  absl::Status status = CheckAttach(offer.disk);
  if (status.ok()) status = AddServed(offer.name, memory.get(), peer.get(), offer.disk);
  if (!status.ok()) return status;
  static_cast<void>(peer.Release());  // the channel's
  disks_.back().memory.push_back(std::move(memory));
  Show(std::move(seen));
  return absl::OkStatus();
}

absl::Status Disks::AttachRam(const init::Offer& offer, std::function<void()> seen) {
  pieces_.push_back({offer.name, runtime::OwnedHandle(offer.memory)});
  // disk.K. of disk.K.P
  const std::string prefix = offer.name.substr(0, offer.name.rfind('.') + 1);
  std::vector<runtime::Handle> handles;
  uint64_t pages = 0;
  for (const Piece& piece : pieces_) {
    if (!absl::StartsWith(piece.name, prefix)) continue;
    const absl::StatusOr<uint64_t> more = runtime::Memory::PagesOf(piece.handle.get());
    if (!more.ok()) return more.status();
    pages += *more;
    handles.push_back(piece.handle.get());
  }
  if (pages * runtime::kPageBytes < offer.disk.getRam()) {
    seen();
    return absl::OkStatus();
  }
  absl::Status status = CheckAttach(offer.disk);
  if (status.ok()) status = AddRam(handles, offer.disk);
  if (!status.ok()) return status;
  for (Piece& piece : pieces_) {
    if (absl::StartsWith(piece.name, prefix))
      disks_.back().memory.push_back(std::move(piece.handle));
  }
  std::erase_if(pieces_,
                [](const Piece& piece) { return piece.handle.get() == runtime::kNoHandle; });
  Show(std::move(seen));
  return absl::OkStatus();
}

void Disks::Forget(absl::string_view offer) {
  std::erase_if(pieces_, [offer](const Piece& piece) { return piece.name == offer; });
}

void Disks::Show(std::function<void()> seen) {
  StoreClient::Steps nodes;
  const uint32_t number = disks_.back().vbd->number();
  std::lock_guard lock(mutex_);
  for (const xl::XenstoreNode& node : disks_.back().vbd->Nodes()) {
    nodes.push_back(StoreClient::WriteNode(node));
    nodes.push_back(StoreClient::SetPermissions(node));
  }
  // All at once: the guest looks as soon as there is something.
  disks_.back().seen = std::move(seen);
  store_.RunNext({}, std::move(nodes), [this, number](const absl::Status&) { OnSeen(number); });
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
