// SPDX-License-Identifier: Apache-2.0
//
// All virtual disks of the guest. Event thread.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "proto/guest.capnp.h"
#include "services/vmm/service/vbd.h"

namespace pyrene::vmm {

class Disks {
 public:
  // The capabilities disk.K and disk.K.peer for the Kth of the configuration.
  absl::Status Open(proto::GuestConfig::Reader config, uint32_t domid, ServiceEnd rings,
                    StoreClient& store);
  void SetDomain(Domain& domain);

  bool empty() const { return disks_.empty(); }
  std::vector<xl::XenstoreNode> Nodes();
  void Reset();
  // True: again, after others.
  bool OnWake();
  bool Serve();

 private:
  std::vector<std::unique_ptr<Vbd>> disks_;
};

}  // namespace pyrene::vmm
