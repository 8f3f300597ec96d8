// SPDX-License-Identifier: Apache-2.0
//
// XenStore's answers and events to xl: no event comes without a watch, and nothing is done in a
// transaction that has no number.
#include "services/xl/shell/xenstore_client.h"
#include "tests/fuzz/xl_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::XenstoreReply)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  using fuzz::Require;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::XenstoreRequest>(), proto::Side::kServer);
  fuzz::XlWorld world(peer, data, bytes);
  xl::XenstoreClient store(world.waiter(), world.Open(), fuzz::XlWorld::kClientBit);
  Require(store.Start().ok());
  while (!world.waiter().stopped()) {
    static_cast<void>(store.Read("/a"));
    // Of a watch that is not there.
    Require(!store.NextEvent(0).ok());
    if (const auto names = store.Directory("/a"); names.ok()) {
      for (const std::string& name : *names) Require(!name.empty());
    }
    if (const auto permissions = store.Permissions("/a"); permissions.ok()) {
      for (const xl::XenstorePermission& permission : *permissions)
        Require(absl::string_view("nrwb").find(permission.access) != absl::string_view::npos);
    }
    static_cast<void>(store.Transaction([&] {
      absl::Status status = store.Write("/a", "value");
      if (status.ok()) status = store.Remove("/b");
      return status;
    }));
    static_cast<void>(store.SetPermissions("/a", {{'n', 0}, {'r', 5}}));
    static_cast<void>(store.Watch("/a"));
    static_cast<void>(store.NextEvent(runtime::kNever));
    store.EndWatches();
  }
  return 0;
}
