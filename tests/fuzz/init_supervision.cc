// SPDX-License-Identifier: Apache-2.0
//
// What a service tells init of itself; a guest's VMM at that, which its guest may have taken over:
// offers taken and closed, channels with other services asked for. No other service ends, and when
// the guest is destroyed, all memory is free again and no object is left.
#include <string>

#include "proto/supervision.capnp.h"
#include "tests/fuzz/init/init_world.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::SupervisionRequest)

// Of the VMM with other services.
static unsigned Connections(pyrene::fuzz::InitWorld& world) {
  unsigned count = 0;
  for (int i = 1; i <= 64; ++i)
    count += world.supervisor().Find("vmm.1")->offers().Has("link." + std::to_string(i));
  return count;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  fuzz::InitWorld world;
  const uint64_t free_pages = world.FreePages();
  const size_t objects = world.objects();
  world.Take("vmm.1", "init");
  world.CreateGuest("mine");
  world.AskAbout(1, "attach");
  unsigned turn = 0;
  for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
    fuzz::PeerEnd* const vmm = world.FindEnd("vmm.1", "init");
    if (vmm == nullptr) break;
    vmm->Drain();
    static_cast<void>(vmm->Send(message));
    world.Wake("vmm.1");
    world.Settle();
    fuzz::Require(Connections(world) <= 8);
    // Meanwhile others restart, or its guest loses a disk.
    if (++turn == 2) world.EndService("driver", FaultKind::kFault, 0x92000045);
    if (turn == 4) world.EndService("blkback", FaultKind::kExit, 1);
    if (turn == 6) world.AskAbout(1, "detach");
  }
  for (const init::Service* const service : world.supervisor().services()) {
    if (service->name() == "vmm.1") continue;
    const bool ended =
        (service->name() == "driver" && turn >= 2) || (service->name() == "blkback" && turn >= 4);
    fuzz::Require(service->live() != nullptr && service->generation() == (ended ? 2 : 1));
  }
  world.DestroyAllGuests();
  fuzz::Require(world.guests().count() == 0);
  fuzz::Require(world.FreePages() == free_pages && world.objects() == objects);
  return 0;
}
