// SPDX-License-Identifier: Apache-2.0
//
// Init's answers and events to xl: a creation that was given up is undone once, no other guest is
// destroyed, and lists are no longer than they can be.
#include "proto/message.h"
#include "services/xl/shell/toolstack.h"
#include "tests/fuzz/xl_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::ToolstackReply)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  using fuzz::Require;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::ToolstackRequest>(), proto::Side::kServer);
  constexpr uint16_t kDomid = 1;  // that this asks to be destroyed itself
  unsigned given_up = 0, undone = 0;
  fuzz::XlWorld world(peer, data, bytes, [&](capnp::word* words, size_t count) {
    Require(
        proto::ReadMessage<proto::ToolstackRequest>(kj::arrayPtr(words, count), [&](auto asked) {
          undone += asked.isDestroyGuest() && asked.getDestroyGuest() != kDomid;
          return absl::OkStatus();
        }).ok());
    Require(undone <= given_up);
  });
  xl::Toolstack init(world.waiter(), world.Open(), fuzz::XlWorld::kClientBit);
  init.SetListener([](const xl::GuestEvent& event) {
    Require(event.kind == xl::GuestEvent::Kind::kStopped || event.reason == 0);
  });
  Require(init.Start().ok());
  while (!world.waiter().stopped()) {
    if (const auto guests = init.Guests(); guests.ok()) {
      for (size_t i = 1; i < guests->size(); ++i)
        Require((*guests)[i - 1].info.domid <= (*guests)[i].info.domid);
    }
    if (const auto services = init.Services(true); services.ok())
      Require(services->size() <= 4096 + 8192 / 8);
    static_cast<void>(init.Host());
    static_cast<void>(init.Files("guests"));
    if (const auto part = init.ReadPart("guests/a.cfg", 0); part.ok())
      Require(part->data.size() <= 4096);
    xl::GuestConfig config;
    config.name = "guest";
    {
      // Given up at once: what comes later is undone.
      const xl::Waiter::Limit limit(world.waiter(), 0);
      ++given_up;
      Require(!init.Create(config, "name = \"guest\"", true).ok());
    }
    static_cast<void>(init.Create(config, "name = \"guest\"", false));
    static_cast<void>(init.Config(kDomid));
    static_cast<void>(init.Pause(kDomid));
    static_cast<void>(init.Unpause(kDomid));
    static_cast<void>(init.Rename(kDomid, "other"));
    static_cast<void>(init.AttachDisk(kDomid, xl::DiskSpec()));
    static_cast<void>(init.DetachDisk(kDomid, 51712, true));
    static_cast<void>(init.Destroy(kDomid));
    static_cast<void>(init.Kill("fs"));
    static_cast<void>(init.Repair("xenstore"));
    static_cast<void>(init.SetClock(1));
    static_cast<void>(init.Reboot());
    static_cast<void>(init.PowerOff());
  }
  return 0;
}
