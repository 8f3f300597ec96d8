// SPDX-License-Identifier: Apache-2.0
//
// The manifests with one more service, tests/services/hanging.cc.
#include <capnp/message.h>
#include <capnp/serialize.h>

#include "services/init/manifest/common.capnp.h"
#include "services/init/manifest/raspi4b.capnp.h"
#include "services/init/manifest/virt.capnp.h"
#include "services/init/manifests.h"

namespace pyrene::init {
namespace {

proto::Manifest::Reader WithHanging(proto::Manifest::Reader manifest) {
  // Leaked: readers point into it for as long as the program runs.
  auto* const message = new capnp::MallocMessageBuilder;
  message->setRoot(manifest);
  auto root = message->getRoot<proto::Manifest>();
  const unsigned count = root.getServices().size();
  auto services = root.initServices(count + 1);
  for (unsigned i = 0; i < count; ++i) services.setWithCaveats(i, manifest.getServices()[i]);
  services.setWithCaveats(count, manifest::XL.get());
  services[count].setName("hanging");
  services[count].setFile("services/hanging");
  services[count].setHeartbeatMs(1000);
  return root.asReader();
}

}  // namespace

std::vector<proto::Manifest::Reader> Manifests() {
  return {WithHanging(manifest::RASPI4B.get()), WithHanging(manifest::VIRT.get())};
}

}  // namespace pyrene::init
