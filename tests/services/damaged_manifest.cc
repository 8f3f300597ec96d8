// SPDX-License-Identifier: Apache-2.0
//
// For the test of a corrupt manifest alone: the same manifests with some bytes damaged, as a bad
// memory card would.
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstring>

#include "services/init/manifest/raspi4b.capnp.h"
#include "services/init/manifest/virt.capnp.h"
#include "services/init/manifests.h"

namespace pyrene::init {
namespace {

proto::Manifest::Reader Damaged(proto::Manifest::Reader manifest) {
  // Leaked: readers point into it for as long as the program runs.
  auto* const message = new capnp::MallocMessageBuilder;
  message->setRoot(manifest);
  auto root = message->getRoot<proto::Manifest>();
  auto name = root.getServices()[0].getName();
  std::memset(name.begin(), 0xe5, name.size());
  return root.asReader();
}

}  // namespace

std::vector<proto::Manifest::Reader> Manifests() {
  return {Damaged(manifest::RASPI4B.get()), Damaged(manifest::VIRT.get())};
}

}  // namespace pyrene::init
