// SPDX-License-Identifier: Apache-2.0
//
// All virtual disks of the guest. Event thread, but for TryServe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/guest.capnp.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/handle.h"
#include "services/init/client/supervision_client.h"
#include "services/vmm/blkif/gathering.h"
#include "services/vmm/host.h"
#include "services/vmm/mutex.h"
#include "services/vmm/service/vbd.h"

namespace pyrene::vmm {

class Disks {
 public:
  // How long a guest may take to let go of a disk.
  static constexpr uint64_t kDetachesWithin = 10 * runtime::kSecond;

  Disks(runtime::EventLoop& loop, StoreClient& store) : loop_(loop), store_(store) {}

  // The capabilities disk.K and disk.K.peer for the Kth of the configuration; disk.K.0 and so on,
  // the pieces of its memory, for a RAM disk.
  absl::Status Open(proto::GuestConfig::Reader config, uint32_t domid, ServiceEnd rings);
  void SetDomain(Domain& domain);

  // A disk that init offers to the running guest. `seen` is called when its nodes are in XenStore.
  // A RAM disk comes as an offer for each piece; the offers before the last are seen at once.
  absl::Status Attach(const init::Offer& offer, std::function<void()> seen);
  // An offer is taken back: of a disk that is detached by now, or was never whole.
  void Forget(absl::string_view offer);
  // `done` is called when nothing of the disk is left here: DeadlineExceeded if the guest does not
  // let go of it. An error at once: there is no such disk, or it is being detached.
  absl::Status Detach(uint32_t number, bool force, std::function<void(const absl::Status&)> done);

  bool empty() const { return disks_.empty(); }
  // For a boot, whose nodes take the place of all that was being written: a disk that is being
  // detached is gone, one that is being attached is there.
  std::vector<xl::XenstoreNode> Nodes();
  void Reset();
  // True: again, after others.
  bool OnWake();
  // The guest has sent an event, or one that was put off is to be served; on the thread of one of
  // its vCPUs. kNo: the event thread has to do it, or the rest.
  Host::Served TryServe(const Vcpu& vcpu, bool may_put_off);

 private:
  struct Entry {
    std::unique_ptr<Vbd> vbd;
    std::vector<runtime::OwnedHandle> memory = {};  // of one that was attached
    std::function<void()> seen = nullptr;           // its nodes are not there yet
    runtime::EventLoop::TimerId timer = 0;          // while it is being detached
    std::function<void(const absl::Status&)> detached = nullptr;
  };

  // A piece of a RAM disk that is being attached.
  struct Piece {
    std::string name;  // the offer's
    runtime::OwnedHandle handle;
  };

  absl::Status AddServed(const std::string& name, runtime::Handle memory, runtime::Handle peer,
                         proto::Disk::Reader disk);
  absl::Status AddRam(const std::vector<runtime::Handle>& pieces, proto::Disk::Reader disk);
  void Add(std::unique_ptr<Vbd> vbd);
  Vbd::Config ConfigOf(proto::Disk::Reader disk) const;
  // Its nodes go to XenStore.
  void Show(std::function<void()> seen);
  absl::Status CheckAttach(proto::Disk::Reader disk);
  absl::Status AttachServed(const init::Offer& offer, std::function<void()> seen);
  absl::Status AttachRam(const init::Offer& offer, std::function<void()> seen);
  void OnSeen(uint32_t number);
  void OnTooLate(uint32_t number);
  // Its nodes are gone.
  void OnGone(uint32_t number);
  Entry* Find(uint32_t number);

  runtime::EventLoop& loop_;
  StoreClient& store_;
  uint32_t domid_ = 0;
  uint32_t queues_ = 1;
  ServiceEnd rings_;
  Domain* domain_ = nullptr;
  // Of all disks, since they were made.
  uint32_t Requests() const;

  Mutex mutex_;  // of disks_, gathering_, and of what in a Vbd serves
  std::vector<Entry> disks_;
  std::vector<Piece> pieces_;
  blkif::Gathering gathering_;
};

}  // namespace pyrene::vmm
