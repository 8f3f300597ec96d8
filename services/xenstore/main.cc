// SPDX-License-Identifier: Apache-2.0
//
// The XenStore service: guests by their rings, the toolstack and guests' VMMs by messages.
// Capabilities: `events`, `journal`; channels `init`, `xenstore` (with xl); by offers, for each
// guest, the channel with its VMM and the ring page.
//
// The journal holds all that a next life needs: a death at any instruction costs time only
// (docs/decisions/xenstore-journal.md).
#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/connect.h"
#include "proto/pv_rings.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/kill_point.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/service.h"
#include "services/init/client/supervision_client.h"
#include "services/init/layout.h"
#include "services/journal/log.h"
#include "services/xenstore/journal/recorder.h"
#include "services/xenstore/journal/restore.h"
#include "services/xenstore/service/limits.h"
#include "services/xenstore/service/message_link.h"
#include "services/xenstore/service/ring_page.h"
#include "services/xl/xenstore_tree.h"

namespace pyrene::xenstore {
namespace {

constexpr uint32_t kRequestsInARound = 8;  // of one guest, before the others have their turn

constexpr char kRepairCommand[] = "`repair xenstore` drops it and goes on with the rest";

// A guest's ring as it was offered, and its server while the guest is introduced.
struct GuestRing {
  runtime::OwnedHandle memory;
  runtime::Notification peer;
  DomId domid = 0;
  std::unique_ptr<MappedRingPage> page;
  std::unique_ptr<RingServer> server;
};

class Service final : public ServerHost {
 public:
  // `repair`: what is damaged of the journal is left out.
  absl::Status Start(bool repair);
  absl::Status Run();
  init::SupervisionClient* supervision() { return supervision_.get(); }

  absl::Status MapRing(DomId domid, const Domain& domain) override;
  void UnmapRing(DomId domid, ConnectionId connection) override;
  void Wake(ConnectionId connection) override;

 private:
  absl::Status OpenJournal(bool repair);
  absl::Status Restore();
  absl::Status Repair();
  absl::Status BeginAnew();
  void ResumeRing(GuestRing& ring);
  void ForgetTheGone();
  void Offered(const init::Offer& offer);
  void Revoked(const std::string& name);
  void Release(DomId domid);
  void Remove(const std::vector<std::string>& trees);
  absl::Status MakeBaseNodes();
  absl::Status Take(const init::Offer& offer);
  void Listen(unsigned bit);
  void Round();

  Recorder recorder_{[] {
    runtime::LogError("the state of XenStore does not fit into its journal");
    std::exit(EXIT_FAILURE);
  }};
  Server server_{this, &recorder_, ServiceOptions()};
  runtime::Memory journal_memory_;
  std::optional<journal::Log> journal_;
  // Of the former life, until their pages are offered.
  std::map<ConnectionId, RingState> former_rings_;
  bool repaired_ = false;
  std::unique_ptr<runtime::EventLoop> loop_;
  std::unique_ptr<init::SupervisionClient> supervision_;
  unsigned again_bit_ = 0;
  uint64_t listening_ = 0;
  std::unique_ptr<MessageLink> toolstack_;
  std::map<std::string, std::unique_ptr<MessageLink>> links_;  // by offer
  std::map<std::string, GuestRing> rings_;                     // by offer
  std::map<std::string, DomId> vmms_;                          // links' offers: whose guest
};

absl::Status Service::Start(bool repair) {
  const NamedCapability* events = runtime::FindNamed("events");
  if (events == nullptr) return absl::NotFoundError("no capability events");
  loop_ = std::make_unique<runtime::EventLoop>(runtime::Notification::Adopt(events->cap));
  init::SupervisionClient::Handlers handlers;
  handlers.offered = [this](const init::Offer& offer) { Offered(offer); };
  handlers.revoked = [this](const std::string& name) { Revoked(name); };
  handlers.offers_told = [this] { ForgetTheGone(); };
  auto supervision = init::SupervisionClient::Open(std::move(handlers));
  if (!supervision.ok()) return supervision.status();
  supervision_ = *std::move(supervision);
  if (absl::Status s = OpenJournal(repair); !s.ok()) return s;
  auto xl = proto::OpenChannel("xenstore", proto::Side::kServer,
                               proto::SchemaId<proto::XenstoreRequest>());
  if (!xl.ok()) return xl.status();
  toolstack_ = std::make_unique<MessageLink>(server_, std::move(xl->channel), DomId{0});
  if (absl::Status s = loop_->AddSourceAt(supervision_->bit(), [this] { supervision_->OnWake(); });
      !s.ok())
    return s;
  Listen(xl->bit);
  const auto again = loop_->AddSource([] {});
  if (!again.ok()) return again.status();
  again_bit_ = *again;
  supervision_->Ready();
  supervision_->OnWake();
  return absl::OkStatus();
}

absl::Status Service::OpenJournal(bool repair) {
  const CapIndex cap = runtime::FindCapability("journal");
  if (cap == kNullCap) {
    runtime::LogWarning("no journal: XenStore will not survive a restart");
    return MakeBaseNodes();
  }
  auto memory = runtime::Memory::Map(cap, runtime::Access::kReadWrite);
  if (!memory.ok()) return memory.status();
  if (memory->size() < kJournalBytes)
    return absl::FailedPreconditionError("the journal is smaller than what quotas allow");
  journal_memory_ = *std::move(memory);
  absl::Status status = repair ? Repair() : Restore();
  if (absl::IsDataLoss(status)) {
    return absl::DataLossError(absl::StrCat("journal: ", status.message(), ": ", kRepairCommand));
  }
  return status;
}

absl::Status Service::Restore() {
  auto log = journal::Log::Open(journal_memory_.data(), journal_memory_.size());
  if (!log.ok()) return log.status();
  journal_ = *std::move(log);
  if (journal_->empty()) return BeginAnew();
  Restorer restorer(&server_);
  absl::Status status =
      journal_->Replay([&](journal::Log::Record record) { return restorer.Take(record); });
  if (!status.ok()) return status;
  former_rings_ = restorer.TakeRings();
  recorder_.Start(&*journal_, &server_, former_rings_);
  server_.EndRestore();
  server_.Sync();
  runtime::KillPoint("restore.done");
  return absl::OkStatus();
}

absl::Status Service::BeginAnew() {
  recorder_.Start(&*journal_, &server_, {});
  recorder_.Renew();
  if (absl::Status s = MakeBaseNodes(); !s.ok()) return s;
  server_.Sync();
  return absl::OkStatus();
}

absl::Status Service::Repair() {
  auto log = journal::Log::OpenDamaged(journal_memory_.data(), journal_memory_.size());
  if (!log.ok()) return log.status();
  journal_ = *std::move(log);
  Restorer restorer(&server_);
  const size_t lost =
      journal_->Salvage([&](journal::Log::Record record) { return restorer.Take(record); });
  former_rings_ = restorer.TakeRings();
  repaired_ = true;
  const size_t nodes = server_.store().accounts().at(kNobody).nodes;
  runtime::LogWarning("the journal is repaired: ", lost, " pieces are left out, ", nodes,
                      " nodes of the toolstack's are there");
  recorder_.Start(&*journal_, &server_, former_rings_);
  recorder_.Renew();
  server_.EndRestore();
  // What a damaged record may have been.
  if (server_.store().tree().Find(kConsoleBackend) == nullptr ||
      server_.store().tree().Find(kVbdBackend) == nullptr) {
    return MakeBaseNodes();
  }
  server_.Sync();
  return absl::OkStatus();
}

// Guests that ended while nobody was here: init has offered all that there are.
void Service::ForgetTheGone() {
  std::set<DomId> gone;
  for (const auto& [domid, domain] : server_.domains()) gone.insert(domid);
  for (const auto& [domid, directory] : server_.vmm_directories()) gone.insert(domid);
  for (const auto& [name, domid] : vmms_) gone.erase(domid);
  for (const DomId domid : gone) {
    VmmAuthority authority(domid, [](const std::string&) { return true; });
    authority.Adopt(server_.VmmDirectory(domid), {});
    Release(domid);
    Remove(authority.Trees());
    server_.SetVmmDirectory(domid, {});
  }
}

// What guests' trees hang from.
absl::Status Service::MakeBaseNodes() {
  std::vector<xl::XenstoreNode> nodes = xl::BaseNodes();
  for (const auto& [domid, directory] : {std::pair(proto::kConsoleDomid, kConsoleBackend),
                                         std::pair(proto::kBlkbackDomid, kVbdBackend)}) {
    for (xl::XenstoreNode& node : xl::BackendHomeNodes(domid)) nodes.push_back(node);
    nodes.push_back({std::string(directory), "", nodes.back().permissions});
  }
  const ConnectionId self = server_.OpenService({proto::kXenstoreItself, true});
  for (const xl::XenstoreNode& node : nodes) {
    const std::string path = node.path + '\0';
    std::string permissions;
    for (const auto& permission : node.permissions)
      permissions += xl::FormatPermission(permission) + '\0';
    for (const auto& [type, payload] : {std::pair(MessageType::kWrite, path + node.value),
                                        std::pair(MessageType::kSetPerms, path + permissions)}) {
      const Reply reply = server_.HandleRequest(self, static_cast<uint32_t>(type), 0, payload);
      if (reply.error != Error::kOk) return absl::InternalError(node.path + " cannot be made");
    }
  }
  server_.CloseService(self);
  return absl::OkStatus();
}

void Service::Listen(unsigned bit) {
  if ((listening_ >> bit & 1) != 0) return;  // several offers share one
  const absl::Status added = loop_->AddSourceAt(bit, [] {});
  if (!added.ok()) return runtime::LogError("event bit ", bit, ": ", added.message());
  listening_ |= uint64_t{1} << bit;
}

absl::Status Service::Run() {
  for (;;) {
    // Every wake-up is a round over all: a client costs a look at its indices.
    Round();
    const uint64_t most = runtime::MonotonicNow() + runtime::kSecond;
    if (absl::Status s = loop_->RunOnce(std::min(server_.Deadline(), most)); !s.ok()) return s;
  }
}

void Service::Round() {
  server_.AdvanceTime(runtime::MonotonicNow());
  bool more = toolstack_->Serve();
  for (auto& [name, link] : links_) more = link->Serve() || more;
  for (auto& [name, ring] : rings_) {
    if (ring.server == nullptr) continue;
    const RingServer::Result result = ring.server->Process(kRequestsInARound);
    if (result.notify) {
      ring.peer.Signal();
      runtime::KillPoint("ring.told");
    }
    more = more || result.more;
    if (result.health != RingServer::Health::kOk) {
      runtime::LogWarning("guest ", ring.domid, " has broken its XenStore ring, or it is gone");
      ring.server = nullptr;
    }
  }
  server_.Sync();
  if (more) loop_->notification().Signal(uint64_t{1} << again_bit_);
}

void Service::Offered(const init::Offer& offer) {
  if (const absl::Status status = Take(offer); !status.ok()) {
    runtime::LogError("offer ", offer.name, ": ", status.message());
    return;
  }
  Listen(offer.bit);
  supervision_->Taken(offer.name);
}

absl::Status Service::Take(const init::Offer& offer) {
  if (offer.peer_domid == 0) return absl::InvalidArgumentError("of no guest");
  if (offer.schema_id == proto::kPvXenstoreRing) {
    GuestRing& ring = rings_[offer.name];
    ring = {runtime::OwnedHandle(offer.memory), runtime::Notification::Adopt(offer.wake_peer),
            offer.peer_domid, nullptr, nullptr};
    ResumeRing(ring);
    return absl::OkStatus();
  }
  auto channel = proto::OpenChannel(offer.name, proto::Side::kServer, offer.schema_id, offer.memory,
                                    offer.wake_peer);
  if (!channel.ok()) return channel.status();
  links_[offer.name] =
      std::make_unique<MessageLink>(server_, *std::move(channel), offer.peer_domid);
  vmms_[offer.name] = offer.peer_domid;
  return absl::OkStatus();
}

bool IsAt(RingPage& page, const RingState& state) {
  uint32_t consumer = 0;
  uint32_t producer = 0;
  return page.Load32(kRequestConsumer, &consumer) && page.Load32(kReplyProducer, &producer) &&
         consumer == state.request_consumer && producer == state.reply_producer;
}

// If the former life served it.
void Service::ResumeRing(GuestRing& ring) {
  const Domain* const domain = server_.FindDomain(ring.domid);
  if (domain == nullptr) return;
  auto state = former_rings_.extract(domain->connection);
  if (state.empty()) return;
  auto memory = runtime::Memory::Map(ring.memory.get(), runtime::Access::kReadWrite);
  if (!memory.ok()) return runtime::LogError("guest ", ring.domid, ": ", memory.status().message());
  ring.page = std::make_unique<MappedRingPage>(*std::move(memory));
  ring.server = std::make_unique<RingServer>(&server_, domain->connection, ring.page.get());
  // What was repaired may not know of the last requests: what the guest sees counts.
  const bool known = !repaired_ || IsAt(*ring.page, state.mapped());
  const RingServer::Health health =
      known ? ring.server->Resume(kServerFeatures, std::move(state.mapped()))
            : ring.server->Attach(kServerFeatures);
  if (health != RingServer::Health::kOk)
    ring.server = nullptr;  // broken in the former life, or zeroed for the guest's next boot
  runtime::KillPoint("ring.resumed");
  // The former life may have died between its last store and telling the guest of it.
  ring.peer.Signal();
}

// Also one that was never introduced: its VMM may have died between its nodes and that. Nothing to
// release is no error.
void Service::Release(DomId domid) { static_cast<void>(server_.Release(domid)); }

// Those that are not there are none the less gone.
void Service::Remove(const std::vector<std::string>& trees) {
  const ConnectionId self = server_.OpenService({proto::kXenstoreItself, true});
  for (const std::string& tree : trees) {
    static_cast<void>(
        server_.HandleRequest(self, static_cast<uint32_t>(MessageType::kRm), 0, tree + '\0'));
  }
  server_.CloseService(self);
}

void Service::Revoked(const std::string& name) {
  if (const auto vmm = vmms_.find(name); vmm != vmms_.end()) {
    // The guest is gone for good, with all that it owned and all that its VMM made for it.
    const std::vector<std::string> trees = links_.at(name)->Trees();
    links_.erase(name);
    Release(vmm->second);
    Remove(trees);
    server_.SetVmmDirectory(vmm->second, {});
    vmms_.erase(vmm);
  }
  if (const auto ring = rings_.find(name); ring != rings_.end()) {
    Release(ring->second.domid);
    rings_.erase(ring);
  }
  server_.Sync();
  supervision_->Closed(name);
}

absl::Status Service::MapRing(DomId domid, const Domain& domain) {
  for (auto& [name, ring] : rings_) {
    if (ring.domid != domid) continue;
    auto memory = runtime::Memory::Map(ring.memory.get(), runtime::Access::kReadWrite);
    if (!memory.ok()) return memory.status();
    ring.page = std::make_unique<MappedRingPage>(*std::move(memory));
    ring.server = std::make_unique<RingServer>(&server_, domain.connection, ring.page.get());
    if (ring.server->Attach(kServerFeatures) == RingServer::Health::kOk) return absl::OkStatus();
    ring.server = nullptr;
    return absl::FailedPreconditionError("the ring's indices are impossible");
  }
  return absl::NotFoundError("the guest has no ring");
}

void Service::UnmapRing(DomId domid, ConnectionId) {
  for (auto& [name, ring] : rings_) {
    if (ring.domid != domid) continue;
    ring.server = nullptr;
    ring.page = nullptr;
  }
}

void Service::Wake(ConnectionId) { loop_->notification().Signal(uint64_t{1} << again_bit_); }

}  // namespace
}  // namespace pyrene::xenstore

int main(int argc, char** argv) {
  // Never destroyed: at the end of a life the runtime's own objects go first.
  auto& service = *new pyrene::xenstore::Service;
  const bool repair = argc > 1 && std::string_view(argv[1]) == pyrene::init::kRepairArgument;
  absl::Status status = service.Start(repair);
  const bool damaged = absl::IsDataLoss(status);
  if (status.ok()) status = service.Run();
  const int result = pyrene::init::ExitStatus(status, service.supervision());
  return damaged ? pyrene::init::kExitNeedsRepair : result;
}
