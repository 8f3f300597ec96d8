// SPDX-License-Identifier: Apache-2.0
//
// The system's manifest: it is refused, or all that init relies on holds.
#include "proto/message.h"
#include "services/init/manifest_check.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::Manifest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
    const auto words =
        kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()), message.size());
    static_cast<void>(
        proto::ReadMessage<proto::Manifest>(words, [](proto::Manifest::Reader manifest) {
          if (!init::CheckManifest(manifest).ok()) return absl::OkStatus();
          fuzz::Require(manifest.getMaxGuests() <= 32);
          for (const auto service : manifest.getServices()) {
            fuzz::Require(service.getName().size() >= 1 && service.getName().size() <= 18);
            fuzz::Require(service.getHeapKib() >= 64 && service.getHeapKib() <= 262144);
          }
          for (const auto channel : manifest.getChannels())
            fuzz::Require(channel.getClientBit() < 16 && channel.getServerBit() < 16);
          return absl::OkStatus();
        }));
  }
  return 0;
}
