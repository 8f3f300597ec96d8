// SPDX-License-Identifier: Apache-2.0
//
// The manifests with a client of the block driver (disk_user.cc): its channel `disk`, its data
// Memory, and the driver's argument that names them.
#include <string_view>

#include "platform/block/disk.h"
#include "proto/connect.h"
#include "services/init/manifest/common.capnp.h"
#include "tests/services/changed_manifests.h"

namespace pyrene::init {
namespace {

constexpr const char* kData = "disk.data";

template <typename Builder, typename Reader>
void Keep(Builder to, Reader from) {
  for (unsigned i = 0; i < from.size(); ++i) to.setWithCaveats(i, from[i]);
}

// `service` with one more capability: the data.
void AddData(proto::Service::Builder service, bool dma) {
  const proto::Service::Reader before = service.asReader();
  const unsigned count = before.getCapabilities().size();
  capnp::MallocMessageBuilder scratch;
  scratch.setRoot(before);
  auto to = service.initCapabilities(count + 1);
  Keep(to, scratch.getRoot<proto::Service>().asReader().getCapabilities());
  to[count].setName(kData);
  auto rights = to[count].initRights();
  rights.setRead(true);
  rights.setWrite(true);
  rights.setDma(dma);
  to[count].setMemory(kData);
}

void AddArgument(proto::Service::Builder service, const char* argument) {
  const proto::Service::Reader before = service.asReader();
  const unsigned count = before.getArguments().size();
  capnp::MallocMessageBuilder scratch;
  scratch.setRoot(before);
  const auto old = scratch.getRoot<proto::Service>().asReader().getArguments();
  auto to = service.initArguments(count + 1);
  for (unsigned i = 0; i < count; ++i) to.set(i, old[i]);
  to.set(count, argument);
}

}  // namespace

std::vector<proto::Manifest::Reader> Manifests() {
  return ChangedManifests([](proto::Manifest::Builder manifest, proto::Manifest::Reader original) {
    const unsigned services = original.getServices().size();
    auto list = manifest.initServices(services + 1);
    Keep(list, original.getServices());
    const std::string_view platform = original.getPlatform().cStr();
    const char* const driver = platform == "raspi4b" ? "emmc2" : "virtio-blk";
    for (unsigned i = 0; i < services; ++i) {
      if (std::string_view(list[i].getName().cStr()) != driver) continue;
      AddArgument(list[i], "disk");
      AddData(list[i], true);
    }
    list.setWithCaveats(services, manifest::XL.get());
    list[services].setName("disk-user");
    list[services].setFile("services/disk_user");
    list[services].setRestart(proto::RestartPolicy::ON_FAILURE);
    AddData(list[services], false);

    const unsigned memories = original.getMemories().size();
    auto memory = manifest.initMemories(memories + 1);
    Keep(memory, original.getMemories());
    memory[memories].setName(kData);
    memory[memories].setPages(16);
    memory[memories].setDma(true);

    const unsigned channels = original.getChannels().size();
    auto channel = manifest.initChannels(channels + 1);
    Keep(channel, original.getChannels());
    channel[channels].setName("disk");
    channel[channels].setClient("disk-user");
    channel[channels].setServer(driver);
    channel[channels].setSchemaId(proto::SchemaId<proto::BlockRequest>());
    channel[channels].setRingBytes(4096);
    channel[channels].setServerBit(8);
  });
}

}  // namespace pyrene::init
