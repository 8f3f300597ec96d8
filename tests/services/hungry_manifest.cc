// SPDX-License-Identifier: Apache-2.0
//
// For the test of too little memory alone: the same manifests, with a XenStore that wants the most
// that a service may have.
#include <capnp/message.h>
#include <capnp/serialize.h>

#include "services/init/manifest/raspi4b.capnp.h"
#include "services/init/manifest/virt.capnp.h"
#include "services/init/manifests.h"

namespace pyrene::init {
namespace {

constexpr uint32_t kMostHeapKib = 256 << 10;

proto::Manifest::Reader Hungry(proto::Manifest::Reader manifest) {
  // Leaked: readers point into it for as long as the program runs.
  auto* const message = new capnp::MallocMessageBuilder;
  message->setRoot(manifest);
  auto root = message->getRoot<proto::Manifest>();
  for (auto service : root.getServices()) {
    if (service.getName() == "xenstore") service.setHeapKib(kMostHeapKib);
  }
  return root.asReader();
}

}  // namespace

std::vector<proto::Manifest::Reader> Manifests() {
  return {Hungry(manifest::RASPI4B.get()), Hungry(manifest::VIRT.get())};
}

}  // namespace pyrene::init
