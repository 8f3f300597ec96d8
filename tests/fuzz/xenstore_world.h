// SPDX-License-Identifier: Apache-2.0
//
// A store with the nodes of two guests and of the toolstack.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "services/xenstore/server.h"
#include "services/xenstore/service/limits.h"
#include "services/xenstore/service/message_link.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

namespace pyrene::fuzz {

struct XenstoreHost final : xenstore::ServerHost {
  absl::Status MapRing(xenstore::DomId, const xenstore::Domain&) override {
    return absl::OkStatus();
  }
  void UnmapRing(xenstore::DomId, xenstore::ConnectionId) override {}
  void Wake(xenstore::ConnectionId) override {}
};

struct XenstoreWorld {
  XenstoreWorld() {
    using xenstore::MessageType;
    for (const std::string id : {"1", "2"}) {
      const std::string home = "/local/domain/" + id;
      Ask(MessageType::kWrite, home + "/name", id == "1" ? "one" : "two");
      Ask(MessageType::kSetPerms, home, "n0" + std::string(1, '\0') + "r" + id + '\0');
      Ask(MessageType::kMkdir, home + "/data", "");
      Ask(MessageType::kSetPerms, home + "/data", "n" + id + '\0');
    }
    for (const char* path : {"/libxl", "/vm"}) Ask(MessageType::kMkdir, path, "");
    Ask(MessageType::kWrite, "/tool/kept", "kept");
  }

  std::string Read(const std::string& path) {
    return Ask(xenstore::MessageType::kRead, path, "").payload;
  }
  xenstore::Reply Ask(xenstore::MessageType type, const std::string& path,
                      const std::string& rest) {
    return server.HandleRequest(tool, static_cast<uint32_t>(type), 0, path + '\0' + rest);
  }

  XenstoreHost host;
  xenstore::Server server{&host, nullptr, xenstore::ServiceOptions()};
  xenstore::ConnectionId tool = server.OpenService({0x7fe0, /*privileged=*/true});
};

// Sends an input to the store as the messages of the VMM of guest `domid`, of the toolstack if it
// is 0. The connection is over then.
inline void SendToStore(XenstoreWorld& world, xenstore::DomId domid, const uint8_t* data,
                        size_t bytes) {
  static auto& peer = *new Peer(proto::SchemaId<proto::XenstoreRequest>(), proto::Side::kClient);
  xenstore::MessageLink link(world.server, std::move(*peer.Open()), domid);
  SendAll(peer, data, bytes, [&] {
    for (int i = 0; i < 8 && link.Serve(); ++i) peer.Drain();
  });
  Require(world.server.CheckAccounts().ok());
}

}  // namespace pyrene::fuzz
