// SPDX-License-Identifier: Apache-2.0
//
// One virtual disk of the guest, as its VMM plays the back-end in XenStore (ABI 5.5, 7.2), and its
// way to blkback; a RAM disk's memory is the VMM's own. The states: 2 when the nodes are made; 4
// once the front-end has said 3, its rings are pinned and blkback has told the disk's size; 5 and 6
// after the front-end; 2 again when it starts over. A death of blkback changes none of them. Being
// detached: 5, until the front-end has said 6.
//
// Who serves. The thread of the vCPU that sent the event, on the spot: blkback runs before all
// VMMs, so on the same CPU it has answered a disk's requests when the signal's system call returns,
// and nobody else needs to run. Whatever that thread can not do is the event thread's: what blkback
// answers later, what another vCPU asks for meanwhile, and all that has to do with XenStore. A RAM
// disk's requests end there and then, but for discards.
//
// `mutex`, the Disks', is held by whoever calls; what XenStore's answers call takes it itself.
// Event thread, but for ServeHere.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/block/block_client.h"
#include "runtime/memory.h"
#include "services/vmm/blkif/disk.h"
#include "services/vmm/blkif/frontend_keys.h"
#include "services/vmm/domain.h"
#include "services/vmm/mutex.h"
#include "services/vmm/service/store_client.h"
#include "services/xl/disk_spec.h"
#include "services/xl/xenstore_node.h"

namespace pyrene::vmm {

class Vbd final : private blkif::World {
 public:
  struct Config {
    xl::DiskSpec spec;
    uint32_t domid = 0;
    uint32_t max_queues = 1;
    ServiceEnd rings;  // what the guest's events signal
  };

  // `channel` is with blkback, `pool` is its data pool.
  Vbd(Config config, StoreClient& store, Mutex& mutex, proto::Channel channel,
      block::DataMemory pool);
  // A RAM disk.
  Vbd(Config config, StoreClient& store, Mutex& mutex, std::vector<runtime::Memory> pieces);

  // Before the guest's first boot.
  void SetDomain(Domain& domain) { domain_ = &domain; }
  // For a boot: both ends' nodes, ours in state 2.
  std::vector<xl::XenstoreNode> Nodes();
  // The guest has stopped; what it has on its way to the disk still gets there.
  void Reset();

  // Asks the guest to let go of the disk, and takes its nodes away when it has: then `gone` is
  // called, and nothing of this object is under way any more. `force`: whatever the guest does.
  void Detach(bool force, std::function<void()> gone);
  // `gone` is not called: the guest has not let go.
  void CancelDetaching() { gone_ = nullptr; }
  // The guest boots again, without the disk.
  void EndDetaching();
  bool detaching() const { return gone_ != nullptr; }
  uint32_t number() const { return config_.spec.vdev_number; }

  // blkback has signalled, or there is more to do. True: again, after others.
  bool OnWake();
  // The guest has sent an event; on the thread of the vCPU that did. False: the event thread has to
  // do the rest.
  bool ServeHere(const Vcpu& vcpu);
  // Taken from the guest's rings so far; it goes round.
  uint32_t requests() const { return disk_.requests(); }

 private:
  // Of XenbusState.
  enum State : uint32_t {
    kInitialising = 1,
    kInitWait = 2,
    kInitialised = 3,
    kConnected = 4,
    kClosing = 5,
    kClosed = 6
  };

  // Null: blkback has not told them yet.
  const block::DiskFacts* facts() const {
    if (ram_.has_value()) return &ram_->facts();
    return client_->has_facts() ? &client_->facts() : nullptr;
  }
  bool HasNews() const {
    return state_ == kConnected && facts() != nullptr && facts()->medium != told_medium_;
  }

  // blkif::World
  uint8_t* Pin(uint32_t ref, bool write) override;
  void Unpin(uint32_t ref, bool write) override;
  bool Copy(uint32_t ref, uint32_t offset, uint8_t* data, uint32_t bytes, bool to_guest) override;
  bool Submit(uint32_t id, const block::DiskRequest& request) override;
  void Notify(uint32_t port) override;

  // Takes what the guest asks for and what blkback has answered by then. True:
  // again, after others.
  bool Serve();
  bool ServeRings();

  void OnFrontendChanged();
  void OnFrontendState(uint32_t state);
  void SetState(State state);
  // Reads the front-end's keys, in two turns, and connects.
  void Connect();
  void ReadRings(uint32_t attempt);
  void ConnectRings();
  void Fail(absl::string_view why);
  void Disconnect();
  void TakeAway();
  xl::XenstoreNode Node(absl::string_view key, const absl::AlphaNum& value) const;
  // Key by key what Linux wants to know at state 4.
  std::vector<xl::XenstoreNode> FactNodes() const;
  void TellFacts();
  void ReadKeys(const std::vector<std::string>& keys, StoreClient::Done done);

  const Config config_;
  const std::string frontend_;  // paths
  const std::string backend_;
  StoreClient& store_;
  Domain* domain_ = nullptr;

  Mutex& mutex_;
  // One of the two.
  std::optional<block::BlockClient> client_;
  const std::vector<runtime::Memory> pieces_;
  std::optional<blkif::RamDisk> ram_;
  blkif::Disk disk_;
  const Vcpu* serving_ = nullptr;  // whose thread serves; null: the event thread

  State state_ = kInitialising;
  uint32_t attempt_ = 0;  // to connect; another number: the former is not to go on
  bool connecting_ = false;
  bool wanted_ = false;  // to connect, as soon as it can be
  bool reading_ = false;
  bool read_again_ = false;
  uint32_t frontend_state_ = 0;
  blkif::FrontendKeys keys_;
  std::vector<uint32_t> ports_;
  uint32_t told_medium_ = 0;
  std::function<void()> gone_;  // being detached
};

}  // namespace pyrene::vmm
