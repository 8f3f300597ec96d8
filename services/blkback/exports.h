// SPDX-License-Identifier: Apache-2.0
//
// The disks that blkback serves, each to the VMM of one guest over a channel of the block protocol
// (platform/block/pool_channel.h). Guests' rings, grants and XenStore nodes are their VMMs'
// business: no byte that a guest wrote is looked at here.
//
// Init offers the map of a disk that is a part of a device, "map.N.K", before the disk's channel,
// "disk.N.K". Nothing is kept over a death: the VMM repeats what was not answered, and all offers
// come again. RAM disks are their VMMs' own.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "platform/block/block_server.h"
#include "runtime/event_loop.h"
#include "runtime/handle.h"
#include "runtime/memory.h"
#include "services/blkback/device.h"
#include "services/init/client/supervision_client.h"

namespace pyrene::blkback {

class Exports {
 public:
  // Block devices that guests may name: "/dev/vda=vda" stands for the channel `vda`.
  absl::Status AddDevice(absl::string_view argument, runtime::EventLoop& loop);
  // A disk's map or a channel; the error says why it is not served.
  absl::Status Offer(const init::Offer& offer);
  // Forgets it, and deletes its capabilities.
  void Revoke(const std::string& name);

  // One round for each disk, each time from another on. True: there is more to do at once.
  bool Round();

 private:
  struct Map {
    runtime::OwnedHandle handle;
    runtime::Memory memory;
  };
  struct Export {
    runtime::OwnedHandle handle;
    std::unique_ptr<block::Disk> disk;
    std::unique_ptr<block::BlockServer> server;  // refers to `disk`, and owns the channel
  };

  // What the disk of that channel is made of.
  absl::StatusOr<std::unique_ptr<block::Disk>> OpenDisk(const init::Offer& offer);
  absl::StatusOr<Device*> FindDevice(absl::string_view name);

  std::map<std::string, std::unique_ptr<Device>, std::less<>> devices_;
  std::map<std::string, Map> maps_;
  std::map<std::string, Export> exports_;
  size_t first_ = 0;
};

}  // namespace pyrene::blkback
