// SPDX-License-Identifier: Apache-2.0
#include "services/init/manifests.h"

#include "services/init/manifest/raspi4b.capnp.h"
#include "services/init/manifest/virt.capnp.h"

namespace pyrene::init {

std::vector<proto::Manifest::Reader> Manifests() {
  return {manifest::RASPI4B.get(), manifest::VIRT.get()};
}

}  // namespace pyrene::init
