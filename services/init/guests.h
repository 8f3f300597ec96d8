// SPDX-License-Identifier: Apache-2.0
//
// The guests: creation, destruction, and init's channel with each VMM. Nothing here waits: what
// takes time is a phase of the guest, and Step, which runs in a turn of the event loop of its own,
// takes each guest as far as it can go.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/toolstack.capnp.h"
#include "proto/vmm.capnp.h"
#include "services/init/cpu_placement.h"
#include "services/init/domid_allocator.h"
#include "services/init/guest.h"
#include "services/init/supervisor.h"
#include "services/init/zeroer.h"

namespace pyrene::init {

class Guests {
 public:
  // Who asked hears the outcome; and what nobody asked for. Called from Step or from a VMM's
  // message.
  struct Listener {
    std::function<void(uint32_t request, uint16_t domid)> created;
    std::function<void(uint32_t request)> done;
    std::function<void(uint32_t request, const absl::Status&)> failed;
    std::function<void(uint16_t domid, uint32_t boot)> booted;
    std::function<void(uint16_t domid, uint32_t reason)> stopped;
    std::function<void(uint16_t domid)> destroyed;
  };

  Guests(World& world, Supervisor& supervisor, Zeroer& zeroer, proto::Manifest::Reader manifest);
  // Reads what is on the disk.
  void SetLoader(FileLoader* loader) { loader_ = loader; }
  void SetListener(Listener listener) { listener_ = std::move(listener); }

  // An error says at once why not; else `created` or `failed` comes with `request`.
  absl::Status Create(proto::GuestConfig::Reader config, uint32_t request);
  // `done` comes when its memory is free again. NotFound.
  absl::Status Destroy(uint16_t domid, uint32_t request);
  // Passed on to the VMM; `done` or `failed` comes.
  absl::Status Control(proto::GuestControl::Reader control, uint32_t request);

  // Asks all VMMs for their guests' states; `ready` is called when all have answered, or after a
  // tenth of a second.
  void Refresh(std::function<void()> ready);
  size_t count() const { return guests_.size(); }
  void Describe(size_t index, proto::GuestState::Builder state) const;

  // What a new guest can have, in pages; all that nobody has; CPUs without a vCPU.
  uint64_t FreePagesForGuest() const;
  uint64_t UnusedPages() const { return world_.ram.free().free_pages(); }
  unsigned FreeCpus() const;

  // Requests of a toolstack that is gone are not answered.
  void ForgetRequests();
  // Of the guest whose VMM it is; 0: nobody's.
  uint16_t DomidOf(const Service& vmm) const;

  // The supervisor's hooks.
  void OnVmmWake(Service& vmm);
  void OnVmmStopped(Service& vmm, const std::string& reason);
  void OnServiceRestarting(Service& service);
  // To be called when offers or memory may have become free: Step follows.
  void Wake();

  // nullptr: there is none.
  const Guest* Find(uint16_t domid) const;

 private:
  Guest* Find(uint16_t domid);
  Guest* FindByVmm(const Service& vmm);
  absl::Status CheckNew(proto::GuestConfig::Reader config) const;
  absl::Status CheckFile(capnp::Text::Reader path) const;
  absl::Status Allocate(Guest& guest);
  absl::Status AttachDisk(Guest& guest, proto::Disk::Reader config, uint32_t request);
  // The VMM has let go of it.
  // What a control changes of the guest, to be noted when its VMM has done it; an error: it is not
  // to be asked.
  absl::StatusOr<std::function<void()>> CheckChange(Guest& guest,
                                                    proto::GuestControl::Reader control);
  // A CPU for a vCPU that runs on `cpu`.
  absl::Status Place(uint8_t& cpu, proto::Affinity::Reader affinity);
  void Detached(Guest& guest, GuestDisk& disk, uint32_t request);
  // The configuration is to say which disks there are.
  void DescribeDisks(Guest& guest);
  // What of its disks waits for others.
  void StepDisks(Guest& guest);
  // True: the disk goes on to its next phase, or away.
  bool StepDisk(Guest& guest, GuestDisk& disk);
  // Begins to read those of its files that are on the disk.
  void LoadFiles(Guest& guest);
  absl::StatusOr<absl::Span<uint8_t>> AllocateFiles(Guest& guest, uint64_t bytes);
  absl::Status LaunchVmm(Guest& guest);
  absl::Status MakeOffers(Guest& guest);
  std::vector<Grant> GrantsOf(const Guest& guest) const;
  absl::Status SendStart(Guest& guest);
  absl::StatusOr<uint32_t> SendRequest(Guest& guest,
                                       const std::function<void(proto::VmmRequest::Builder)>& fill);
  absl::Status HandleVmm(Guest& guest, proto::VmmEvent::Reader event);
  // Answers createGuest when console knows the guest, too.
  void AnswerCreated(Guest& guest);
  void HandleAnswer(Guest& guest, uint32_t id, const absl::Status& status);
  // Its end begins. `why`: for who waits for its creation.
  void Kill(Guest& guest, const std::string& why);
  void Step();
  // True when nothing of it is left.
  bool StepDying(Guest& guest);
  void AnswerDestroyed(const Guest& guest);
  void CheckRefresh();

  World& world_;
  Supervisor& supervisor_;
  Zeroer& zeroer_;
  const proto::Manifest::Reader manifest_;
  FileLoader* loader_ = nullptr;
  Listener listener_;
  std::vector<std::unique_ptr<Guest>> guests_;
  DomidAllocator domids_;
  CpuLoad load_ = {};
  uint64_t overhead_pages_ = 0;
  proto::MessageBuilder builder_;
  bool step_waits_ = false;
  std::vector<std::function<void()>> refresh_waiters_;
  runtime::EventLoop::TimerId refresh_timer_ = 0;
};

}  // namespace pyrene::init
