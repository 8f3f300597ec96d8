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
    // What could not be read within a reader's limits was not checked either.
    const absl::Status good = proto::ReadMessage<proto::Manifest>(
        words, [](proto::Manifest::Reader manifest) { return init::CheckManifest(manifest); });
    if (!good.ok()) continue;
    // Anew, without the limits that the check may have used up.
    capnp::FlatArrayMessageReader reader(words);
    const auto manifest = reader.getRoot<proto::Manifest>();
    fuzz::Require(manifest.getMaxGuests() <= 32);
    for (const auto service : manifest.getServices()) {
      fuzz::Require(service.getName().size() >= 1 && service.getName().size() <= 18);
      fuzz::Require(service.getHeapKib() >= 64 && service.getHeapKib() <= 262144);
    }
    // Init chooses its own bits; what the manifest says of them counts for nothing.
    for (const auto channel : manifest.getChannels()) {
      fuzz::Require(channel.getClient() == "init" || channel.getClientBit() < 16);
      fuzz::Require(channel.getServer() == "init" || channel.getServerBit() < 16);
    }
  }
  return 0;
}
