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

  // The capabilities disk.K and disk.K.peer for the Kth of the configuration.
  absl::Status Open(proto::GuestConfig::Reader config, uint32_t domid, ServiceEnd rings);
  void SetDomain(Domain& domain);

  // A disk that init offers to the running guest. `seen` is called when its nodes are in XenStore.
  absl::Status Attach(const init::Offer& offer, std::function<void()> seen);
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
    runtime::OwnedHandle memory = {};       // of one that was attached
    std::function<void()> seen = nullptr;   // its nodes are not there yet
    runtime::EventLoop::TimerId timer = 0;  // while it is being detached
    std::function<void(const absl::Status&)> detached = nullptr;
  };

  absl::Status Add(const std::string& name, runtime::Handle memory, runtime::Handle peer,
                   proto::Disk::Reader disk);
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
  blkif::Gathering gathering_;
};

}  // namespace pyrene::vmm
