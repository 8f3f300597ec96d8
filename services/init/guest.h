// SPDX-License-Identifier: Apache-2.0
//
// What init holds for one guest.
#pragma once

#include <capnp/message.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/channel.h"
#include "proto/guest.capnp.h"
#include "services/init/file_loader.h"
#include "services/init/guest_disks.h"
#include "services/init/link.h"
#include "services/init/object.h"
#include "services/init/ram.h"
#include "services/init/service.h"

namespace pyrene::init {

struct Guest {
  enum class Phase : uint8_t {
    kZeroing,   // its RAM; and its files are read from the disk
    kStarting,  // the VMM runs, and has not answered `start`
    kRunning,
    kDying,  // its domains are gone; console and xenstore still have its rings
  };

  uint16_t domid = 0;
  unsigned slot = 0;  // 0..maxGuests-1
  Phase phase = Phase::kZeroing;
  std::string name;
  std::unique_ptr<capnp::MallocMessageBuilder> config;  // root GuestConfig; a private copy
  uint64_t seconds_at_start = 0;                        // since 1970
  uint32_t reboots = 0;
  bool shutdown = false;  // stopped by itself, preserved
  uint32_t shutdown_reason = 0;

  Object domain;
  std::vector<Ram> ram;
  std::vector<std::unique_ptr<GuestDisk>> disks;
  unsigned zeroing = 0;  // of `ram` and the disks': what the zeroer still has
  uint64_t load = 0;     // the file loader's job that is under way; 0: none
  // What is on the disk, for each of its boots; page by page.
  Ram files;
  runtime::Memory files_view;  // while they are read
  struct LoadedFile {
    std::string path;
    FileLoader::Range range;
  };
  std::vector<LoadedFile> loaded;
  Ram magic;            // PV console ring, XenStore ring, two more
  Ram frames;           // shared_info and grant frames
  Object console_ring;  // the first pages of `magic`, for their services
  Object xenstore_ring;
  Link console;  // the VMM's channels
  Link xenstore;
  Link control;
  Service* vmm = nullptr;
  std::vector<uint8_t> placement;         // CPU of each vCPU
  std::optional<proto::Channel> channel;  // init's end of `control`
  uint32_t next_request = 1;

  // Answers that are due. Of toolstack requests, by their id.
  uint32_t create_request = 0;  // 0: none
  std::vector<uint32_t> destroy_requests;
  struct Control {
    uint32_t vmm_request;
    uint32_t request;
    std::function<void()> succeeded = nullptr;  // notes what holds from now on
    GuestDisk* detached = nullptr;              // of a detachDisk
  };
  std::vector<Control> controls;
  std::string failure;  // why `create_request` fails; empty: not (yet)

  // The VMM's last answer to getState (root GuestState), and whether one is on the way.
  std::unique_ptr<capnp::MallocMessageBuilder> state;
  uint32_t state_request = 0;

  proto::GuestConfig::Reader Config() const {
    return config->getRoot<proto::GuestConfig>().asReader();
  }
};

}  // namespace pyrene::init
