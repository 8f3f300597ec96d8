// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/service/vbd.h"

#include <mutex>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/domids.h"
#include "runtime/log.h"
#include "services/xl/xenstore_devices.h"
#include "services/xl/xenstore_tree.h"

namespace pyrene::vmm {
namespace {

constexpr uint32_t kInfoReadOnly = 4;
// What the guest may take for one write; ABI 7.2's keys in pages.
constexpr uint32_t kDiscardGranularity = 4096;

std::string BackendPath(const Vbd::Config& config) {
  return absl::StrCat(xl::GuestHome(proto::kBlkbackDomid), "/backend/vbd/", config.domid, "/",
                      config.spec.vdev_number);
}

std::string FrontendPath(const Vbd::Config& config) {
  return absl::StrCat(xl::GuestHome(config.domid), "/device/vbd/", config.spec.vdev_number);
}

std::vector<absl::Span<uint8_t>> SpansOf(const std::vector<runtime::Memory>& pieces) {
  std::vector<absl::Span<uint8_t>> spans;
  for (const runtime::Memory& piece : pieces) spans.emplace_back(piece.data(), piece.size());
  return spans;
}

}  // namespace

Vbd::Vbd(Config config, StoreClient& store, Mutex& mutex, proto::Channel channel,
         block::DataMemory pool)
    : config_(std::move(config)),
      frontend_(FrontendPath(config_)),
      backend_(BackendPath(config_)),
      store_(store),
      mutex_(mutex),
      client_(std::in_place, std::move(channel),
              [this](uint32_t id, proto::BlockStatus status) { disk_.Done(id, status); }),
      disk_(config_.spec.vdev, *this, pool) {
  store_.Watch(frontend_ + "/state", [this] { OnFrontendChanged(); });
}

Vbd::Vbd(Config config, StoreClient& store, Mutex& mutex, std::vector<runtime::Memory> pieces)
    : config_(std::move(config)),
      frontend_(FrontendPath(config_)),
      backend_(BackendPath(config_)),
      store_(store),
      mutex_(mutex),
      pieces_(std::move(pieces)),
      ram_(std::in_place, SpansOf(pieces_), config_.spec.read_only),
      disk_(config_.spec.vdev, *this, *ram_) {
  store_.Watch(frontend_ + "/state", [this] { OnFrontendChanged(); });
}

xl::XenstoreNode Vbd::Node(absl::string_view key, const absl::AlphaNum& value) const {
  return {absl::StrCat(backend_, "/", key),
          std::string(value.Piece()),
          {{'n', proto::kBlkbackDomid}, {'r', config_.domid}}};
}

std::vector<xl::XenstoreNode> Vbd::Nodes() {
  const std::string params = config_.spec.source == xl::DiskSpec::Source::kRam
                                 ? "ram:" + config_.spec.target
                                 : config_.spec.target;
  std::vector<xl::XenstoreNode> nodes =
      xl::VbdNodes({config_.domid, proto::kBlkbackDomid}, config_.spec, "phy", params);
  for (xl::XenstoreNode& node : nodes) {
    if (node.path == backend_ + "/state") node.value = absl::StrCat(kInitWait);
  }
  nodes.push_back(Node("feature-flush-cache", 1));
  nodes.push_back(Node("feature-barrier", 1));
  nodes.push_back(Node("feature-max-indirect-segments", blkif::Disk::kIndirectSegments));
  nodes.push_back(Node("max-ring-page-order", blkif::kMaxRingOrder));
  nodes.push_back(Node("multi-queue-max-queues", config_.max_queues));
  state_ = kInitWait;
  return nodes;
}

std::vector<xl::XenstoreNode> Vbd::FactNodes() const {
  const block::DiskFacts& disk = *facts();
  const bool discard =
      disk.max_discard != 0 && config_.spec.discard.value_or(true) && !config_.spec.read_only;
  std::vector<xl::XenstoreNode> nodes = {
      Node("feature-discard", discard ? 1 : 0),
      Node("sectors", disk.sectors),
      Node("info", disk.read_only || config_.spec.read_only ? kInfoReadOnly : 0),
      Node("sector-size", disk.sector_bytes),
      Node("physical-sector-size", disk.sector_bytes),
  };
  if (discard) {
    nodes.push_back(Node("discard-granularity", kDiscardGranularity));
    nodes.push_back(Node("discard-alignment", 0));
    nodes.push_back(Node("discard-secure", 0));
  }
  return nodes;
}

void Vbd::Reset() {
  Disconnect();
  reading_ = read_again_ = false;
}

bool Vbd::OnWake() {
  const bool more = Serve();
  if (wanted_) Connect();
  if (HasNews()) TellFacts();
  return more;
}

bool Vbd::ServeHere(const Vcpu& vcpu) {
  serving_ = &vcpu;
  const bool more = Serve();
  serving_ = nullptr;
  return !more && !wanted_ && !HasNews();
}

bool Vbd::Serve() {
  if (ram_.has_value()) return ServeRings();
  client_->Expect();
  bool more = ServeRings();
  more |= client_->OnWake();
  more |= ServeRings();
  return more;
}

bool Vbd::ServeRings() {
  if (!disk_.connected()) return false;
  const bool more = disk_.Serve();
  if (client_.has_value()) client_->Flush();
  return more;
}

void Vbd::Detach(bool force, std::function<void()> gone) {
  gone_ = std::move(gone);
  // Nobody to be asked: no front-end has found it yet.
  const bool unused = !disk_.connected() && !connecting_ && frontend_state_ < kInitialised;
  if (force || unused || state_ == kClosed) return TakeAway();
  store_.RunNext({StoreClient::WriteNode(Node("online", 0))}, {}, [](const absl::Status&) {});
  if (state_ != kClosing) SetState(kClosing);
}

// In this order: when `gone` is called all that this object has asked for is done.
void Vbd::TakeAway() {
  Disconnect();
  state_ = kClosed;
  store_.Unwatch(frontend_ + "/state");
  store_.RunNext({StoreClient::Remove(frontend_), StoreClient::Remove(backend_)}, {},
                 [this](const absl::Status&) { EndDetaching(); });
}

void Vbd::EndDetaching() {
  // It may be the end of this object.
  if (const std::function<void()> gone = std::exchange(gone_, nullptr); gone != nullptr) gone();
}

uint8_t* Vbd::Pin(uint32_t ref, bool write) {
  uint32_t gfn;
  if (domain_->grants().Pin(proto::kBlkbackDomid, ref, write, &gfn) != xen::kGrantOk)
    return nullptr;
  return reinterpret_cast<uint8_t*>(domain_->memory().GrantablePage(gfn));
}

void Vbd::Unpin(uint32_t ref, bool write) {
  domain_->grants().Unpin(proto::kBlkbackDomid, ref, write);
}

bool Vbd::Copy(uint32_t ref, uint32_t offset, uint8_t* data, uint32_t bytes, bool to_guest) {
  GrantTable& grants = domain_->grants();
  return (to_guest
              ? grants.CopyTo(proto::kBlkbackDomid, ref, offset, data, bytes)
              : grants.CopyFrom(proto::kBlkbackDomid, ref, offset, data, bytes)) == xen::kGrantOk;
}

bool Vbd::Submit(uint32_t id, const block::DiskRequest& request) {
  return client_->Submit(id, request).ok();
}

void Vbd::Notify(uint32_t port) {
  domain_->events().RaiseFromService(port, proto::kBlkbackDomid, serving_);
}

// A guest that writes its state without end is read once at a time.
void Vbd::OnFrontendChanged() {
  if (reading_) {
    read_again_ = true;
    return;
  }
  reading_ = true;
  frontend_state_ = 0;
  store_.RunNext({StoreClient::Read(frontend_ + "/state",
                                    [this](absl::string_view value) {
                                      if (!absl::SimpleAtoi(value, &frontend_state_))
                                        frontend_state_ = 0;
                                    })},
                 {}, [this](const absl::Status&) {
                   std::lock_guard lock(mutex_);
                   reading_ = false;
                   OnFrontendState(frontend_state_);
                   if (std::exchange(read_again_, false)) OnFrontendChanged();
                 });
}

void Vbd::OnFrontendState(uint32_t state) {
  switch (state) {
    case kInitialising:
      if ((state_ == kClosing || state_ == kClosed) && !detaching()) SetState(kInitWait);
      break;
    case kInitialised:
    case kConnected:
      if (state_ == kInitWait && !connecting_) Connect();
      break;
    case kClosing:
      Disconnect();
      if (state_ != kClosing) SetState(kClosing);
      break;
    case kClosed:
      Disconnect();
      if (state_ != kClosed) SetState(kClosed);
      if (detaching()) TakeAway();
      break;
    default:
      break;  // gone, or nothing that concerns us
  }
}

void Vbd::SetState(State state) {
  state_ = state;
  store_.RunNext({StoreClient::WriteNode(Node("state", static_cast<uint32_t>(state)))}, {},
                 [](const absl::Status&) {});
}

void Vbd::ReadKeys(const std::vector<std::string>& keys, StoreClient::Done done) {
  StoreClient::Steps steps;
  for (const std::string& key : keys) {
    steps.push_back(StoreClient::Read(
        absl::StrCat(frontend_, "/", key),
        [this, key](absl::string_view value) { keys_[key] = std::string(value); }));
  }
  store_.RunNext(std::move(steps), {}, std::move(done));
}

void Vbd::Connect() {
  wanted_ = facts() == nullptr || !disk_.idle();
  if (wanted_) return;
  connecting_ = true;
  keys_.clear();
  ReadKeys(blkif::ShapeKeys(), [this, attempt = ++attempt_](const absl::Status&) {
    std::lock_guard lock(mutex_);
    if (attempt == attempt_) ReadRings(attempt);
  });
}

void Vbd::ReadRings(uint32_t attempt) {
  const auto keys = blkif::RingKeys(keys_, config_.max_queues);
  if (!keys.ok()) return Fail(keys.status().message());
  ReadKeys(*keys, [this, attempt](const absl::Status&) {
    std::lock_guard lock(mutex_);
    if (attempt == attempt_) ConnectRings();
  });
}

void Vbd::ConnectRings() {
  connecting_ = false;
  const auto rings = blkif::Rings(keys_, config_.max_queues);
  if (!rings.ok()) return Fail(rings.status().message());
  if (absl::Status status = disk_.Connect(*rings); !status.ok()) return Fail(status.message());
  for (const blkif::Disk::RingPlace& ring : *rings) {
    if (!domain_->events().BindService(ring.port, proto::kBlkbackDomid, config_.rings))
      return Fail("an event channel is not bound to the back-end");
    ports_.push_back(ring.port);
  }
  state_ = kConnected;
  TellFacts();
}

void Vbd::TellFacts() {
  told_medium_ = facts()->medium;
  StoreClient::Steps steps;
  for (const xl::XenstoreNode& node : FactNodes()) {
    steps.push_back(StoreClient::WriteNode(node));
    steps.push_back(StoreClient::SetPermissions(node));
  }
  // Again for another size: the front-end looks when it is written.
  steps.push_back(StoreClient::WriteNode(Node("state", static_cast<uint32_t>(kConnected))));
  store_.RunNext({}, std::move(steps), [this](const absl::Status& status) {
    if (!status.ok()) runtime::LogError(config_.spec.vdev, ": ", status.message());
  });
}

void Vbd::Fail(absl::string_view why) {
  runtime::LogWarning(config_.spec.vdev, " can not be connected: ", why);
  Disconnect();
  SetState(kClosing);
}

void Vbd::Disconnect() {
  ++attempt_;
  connecting_ = wanted_ = false;
  disk_.Disconnect();
  for (const uint32_t port : ports_) domain_->events().UnbindService(port, proto::kBlkbackDomid);
  ports_.clear();
}

}  // namespace pyrene::vmm
