// SPDX-License-Identifier: Apache-2.0
//
// What a guest's VMM tells init, which has asked it for something and has another guest, too: that
// one stays as it is, xl hears of what it asked for once, and when both are destroyed, all memory
// is free again and no object is left.
#include <set>

#include "proto/toolstack.capnp.h"
#include "proto/vmm.capnp.h"
#include "tests/fuzz/init/init_world.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::VmmEvent)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  fuzz::InitWorld world;
  const uint64_t free_pages = world.FreePages();
  const size_t objects = world.objects();
  world.CreateGuest("other");
  const init::Guest* const other = world.Find("other");
  fuzz::Require(other != nullptr && other->phase == init::Guest::Phase::kRunning);
  // An odd number of words: it has not answered `start`, its guest's creation.
  const bool starts = bytes / 8 % 2 != 0;
  if (!starts) world.CreateGuest("mine");
  world.Take("vmm.2", "vmm");
  if (starts) world.CreateGuest("mine");
  // xl hears of each request once.
  std::set<uint32_t> answered;
  world.SetListener([&answered](proto::ToolstackReply::Reader reply) {
    if (reply.getId() != 0 && reply.getLast()) fuzz::Require(answered.insert(reply.getId()).second);
  });
  for (const char* what : {"pause", "rename", "detach", "list", "vcpus", "affinity", "schedule"})
    world.AskAbout(2, what);
  for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
    if (world.Find("mine") == nullptr) break;
    if (fuzz::PeerEnd* const vmm = world.FindEnd("vmm.2", "vmm"); vmm != nullptr) {
      vmm->Drain();
      static_cast<void>(vmm->Send(message));
    }
    world.Wake("vmm.2");
    world.Settle();
  }
  fuzz::Require(world.Find("other") == other && other->domid == 1 && !other->shutdown &&
                other->phase == init::Guest::Phase::kRunning && other->reboots == 0 &&
                other->disks.size() == 1);
  world.DestroyAllGuests();
  fuzz::Require(world.guests().count() == 0);
  fuzz::Require(world.FreePages() == free_pages && world.objects() == objects);
  return 0;
}
