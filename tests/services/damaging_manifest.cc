// SPDX-License-Identifier: Apache-2.0
//
// The manifests with a service (failing.cc) that has XenStore's journal and damages it.
#include "services/init/manifest/common.capnp.h"
#include "tests/services/changed_manifests.h"

namespace pyrene::init {

std::vector<proto::Manifest::Reader> Manifests() {
  return ChangedManifests([](proto::Manifest::Builder manifest, proto::Manifest::Reader original) {
    const unsigned count = original.getServices().size();
    auto services = manifest.initServices(count + 1);
    for (unsigned i = 0; i < count; ++i) services.setWithCaveats(i, original.getServices()[i]);
    services.setWithCaveats(count, manifest::XENSTORE.get());
    auto service = services[count];
    service.setName("damages");
    service.setFile("services/failing");
    service.initArguments(1).set(0, "damages");
  });
}

}  // namespace pyrene::init
