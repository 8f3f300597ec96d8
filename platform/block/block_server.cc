// SPDX-License-Identifier: Apache-2.0
#include "platform/block/block_server.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/block/wire_form.h"
#include "runtime/kill_point.h"

namespace pyrene::block {
namespace {

// Requests that are started before the channels are looked at again.
constexpr unsigned kBatch = 16;

DiskRequest Parse(proto::BlockRequest::Reader request) {
  DiskRequest result;
  switch (request.which()) {
    case proto::BlockRequest::READ:
    case proto::BlockRequest::WRITE: {
      const bool read = request.isRead();
      const auto transfer = read ? request.getRead() : request.getWrite();
      result.operation = read ? Operation::kRead : Operation::kWrite;
      result.sector = transfer.getSector();
      result.count = transfer.getCount();
      result.offset = transfer.getOffset();
      break;
    }
    case proto::BlockRequest::DISCARD:
      result.operation = Operation::kDiscard;
      result.sector = request.getDiscard().getSector();
      result.count = request.getDiscard().getCount();
      break;
    case proto::BlockRequest::FLUSH:
      break;
  }
  return result;
}

}  // namespace

BlockServer::BlockServer(Disk& disk) : disk_(disk) {
  disk_.SetCompletion([this](uint32_t tag, proto::BlockStatus status) { Completed(tag, status); });
}

void BlockServer::AddClient(std::unique_ptr<proto::Channel> channel, DataMemory memory) {
  if (clients_.size() >= kMaxClients) return;
  auto client = std::make_unique<Client>();
  client->channel = std::move(channel);
  client->memory = memory;
  clients_.push_back(std::move(client));
}

unsigned BlockServer::Held(const Client& client) {
  return kDepth -
         static_cast<unsigned>(std::popcount(client.in_state[static_cast<size_t>(State::kFree)]));
}

void BlockServer::SetState(Client& client, Slot& slot, State state) {
  const uint32_t bit = uint32_t{1} << (&slot - client.slots.data());
  client.in_state[static_cast<size_t>(slot.state)] &= ~bit;
  client.in_state[static_cast<size_t>(state)] |= bit;
  slot.state = state;
}

template <typename Visit>
void BlockServer::ForEach(Client& client, State state, Visit visit) {
  for (uint32_t left = client.in_state[static_cast<size_t>(state)]; left != 0; left &= left - 1)
    visit(client.slots[static_cast<size_t>(std::countr_zero(left))]);
}

void BlockServer::Connect(Client& client) {
  client.epoch = client.channel->epoch();
  client.told_medium = 0;
  const auto free = [&client](Slot& slot) { SetState(client, slot, State::kFree); };
  ForEach(client, State::kQueued, free);
  client.queued = 0;
  ForEach(client, State::kDone, free);
  ForEach(client, State::kRunning,
          [&client](Slot& slot) { SetState(client, slot, State::kOrphan); });
}

bool BlockServer::TellFacts(Client& client) {
  const DiskFacts& facts = disk_.facts();
  if (client.told_medium == facts.medium) return true;
  auto disk = builder_.Start<proto::BlockEvent>().initDisk();
  disk.setSectors(facts.sectors);
  disk.setSectorBytes(facts.sector_bytes);
  disk.setReadOnly(facts.read_only);
  disk.setDepth(kDepth);
  disk.setMaxSectors(facts.max_sectors);
  disk.setMaxDiscard(facts.max_discard);
  disk.setMedium(facts.medium);
  if (!client.channel->Send(builder_).ok()) return false;
  client.told_medium = facts.medium;
  return true;
}

proto::BlockStatus BlockServer::Check(const Client& client, const DiskRequest& request) const {
  const DiskFacts& facts = disk_.facts();
  if (facts.sectors == 0) return proto::BlockStatus::NO_MEDIUM;
  if (request.operation == Operation::kFlush) return proto::BlockStatus::OK;
  const bool discard = request.operation == Operation::kDiscard;
  if (request.operation != Operation::kRead && facts.read_only)
    return proto::BlockStatus::READ_ONLY;
  if (discard && facts.max_discard == 0) return proto::BlockStatus::NOT_SUPPORTED;
  const uint32_t unit = facts.sector_bytes / kSectorBytes;
  const uint32_t most = discard ? facts.max_discard : facts.max_sectors;
  if (request.count == 0 || request.count > most || request.sector > facts.sectors ||
      request.count > facts.sectors - request.sector || request.sector % unit != 0 ||
      request.count % unit != 0) {
    return proto::BlockStatus::INVALID;
  }
  const uint64_t end = request.offset + uint64_t{request.count} * kSectorBytes;
  if (!discard && (request.offset % kSectorBytes != 0 || end > client.memory.bytes))
    return proto::BlockStatus::INVALID;
  return proto::BlockStatus::OK;
}

absl::Status BlockServer::Handle(Client& client, kj::ArrayPtr<const capnp::word> message) {
  if (const auto transfer = DecodeTransfer(message))
    return Queue(client, transfer->id, transfer->request);
  return proto::ReadMessage<proto::BlockRequest>(
      message, [&](proto::BlockRequest::Reader request) -> absl::Status {
        if (request.which() > proto::BlockRequest::DISCARD)
          return absl::InvalidArgumentError("unknown request");
        return Queue(client, request.getId(), Parse(request));
      });
}

absl::Status BlockServer::Queue(Client& client, uint32_t id, const DiskRequest& request) {
  const uint32_t held = client.in_state[static_cast<size_t>(State::kQueued)] |
                        client.in_state[static_cast<size_t>(State::kRunning)] |
                        client.in_state[static_cast<size_t>(State::kDone)];
  const uint32_t home = id % kDepth;
  bool twice = (held >> home & 1) != 0 && client.slots[home].id == id;
  for (uint32_t left = held & client.strays; left != 0; left &= left - 1)
    twice |= client.slots[static_cast<size_t>(std::countr_zero(left))].id == id;
  if (twice) return absl::InvalidArgumentError(absl::StrCat("request ", id, " is there twice"));
  const uint32_t free_slots = client.in_state[static_cast<size_t>(State::kFree)];
  if (free_slots == 0) return absl::ResourceExhaustedError("more requests than the depth");
  const bool strays = (free_slots >> home & 1) == 0;
  const auto at = strays ? static_cast<uint32_t>(std::countr_zero(free_slots)) : home;
  client.strays = (client.strays & ~(uint32_t{1} << at)) | uint32_t{strays} << at;
  Slot* const free = &client.slots[at];
  free->id = id;
  free->request = request;
  free->request.memory = &client.memory;
  free->status = Check(client, free->request);
  if (free->status == proto::BlockStatus::OK) {
    client.queue[(client.first + client.queued++) % kDepth] = static_cast<uint8_t>(at);
    SetState(client, *free, State::kQueued);
  } else {
    SetState(client, *free, State::kDone);
  }
  return absl::OkStatus();
}

// Receives what has room. True: there may be more.
bool BlockServer::Take(Client& client) {
  if (client.channel->Update() != proto::Channel::State::kUp) return false;
  if (client.channel->epoch() != client.epoch) Connect(client);
  // Orphans first: the new life's data is not to be touched by them.
  if (client.told_medium == 0 && client.running != 0) return false;
  if (!TellFacts(client)) return false;
  const unsigned room = kDepth - Held(client);
  if (room == 0) return false;
  return client.channel->ReceiveWords(
      room, [&](kj::ArrayPtr<const capnp::word> message) { return Handle(client, message); });
}

BlockServer::Slot* BlockServer::Next(Client& client) {
  if (client.flushing || client.queued == 0) return nullptr;
  Slot* const first = &client.slots[client.queue[client.first]];
  const bool flush = first->request.operation == Operation::kFlush;
  return flush && client.running != 0 ? nullptr : first;
}

// Each client in its turn.
bool BlockServer::StartOne() {
  for (size_t i = 0; i < clients_.size(); ++i) {
    const size_t at = (turn_ + i) % clients_.size();
    Client& client = *clients_[at];
    Slot* const slot = Next(client);
    if (slot == nullptr) continue;
    turn_ = at + 1;
    client.first = (client.first + 1) % kDepth;
    --client.queued;
    // What was checked when it came may not hold for another medium.
    slot->status = Check(client, slot->request);
    if (slot->status != proto::BlockStatus::OK) {
      SetState(client, *slot, State::kDone);
      return true;
    }
    SetState(client, *slot, State::kRunning);
    ++client.running;
    client.flushing = slot->request.operation == Operation::kFlush;
    DiskRequest request = slot->request;
    request.tag = static_cast<uint32_t>(at * kDepth + (slot - client.slots.data()));
    runtime::KillPoint("block.taken");
    disk_.Start(request);
    runtime::KillPoint("block.started");
    return true;
  }
  return false;
}

void BlockServer::Completed(uint32_t tag, proto::BlockStatus status) {
  runtime::KillPoint("block.ended");
  Client& client = *clients_[tag / kDepth];
  Slot& slot = client.slots[tag % kDepth];
  --client.running;
  if (slot.request.operation == Operation::kFlush) client.flushing = false;
  slot.status = status;
  SetState(client, slot, slot.state == State::kOrphan ? State::kFree : State::kDone);
}

void BlockServer::Answer(Client& client) {
  if (client.channel->state() != proto::Channel::State::kUp) return;
  if (client.told_medium == 0 || !TellFacts(client)) return;
  bool room = true;
  ForEach(client, State::kDone, [&](Slot& slot) {
    if (!room) return;
    // The client signals when there is.
    room = client.channel->Send(Message(EncodeDone(slot.id, slot.status))).ok();
    if (!room) return;
    SetState(client, slot, State::kFree);
    runtime::KillPoint("block.answered");
  });
  client.channel->Flush();
}

bool BlockServer::Round() {
  bool more = false;
  for (const auto& client : clients_) more |= Take(*client);
  unsigned started = 0;
  while (started < kBatch && disk_.CanStart() && StartOne()) ++started;
  for (const auto& client : clients_) {
    // Room for requests that wait in the ring.
    const bool full = Held(*client) == kDepth;
    Answer(*client);
    more |= full && Held(*client) < kDepth;
    more |= client->running == 0 && client->told_medium == 0 &&
            client->channel->state() == proto::Channel::State::kUp && started != 0;
    more |= disk_.CanStart() && Next(*client) != nullptr;
  }
  return more;
}

}  // namespace pyrene::block
