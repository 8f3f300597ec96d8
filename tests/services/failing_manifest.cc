// SPDX-License-Identifier: Apache-2.0
//
// The manifests with three more services (failing.cc), each of which ends in its own way.
#include <iterator>

#include "services/init/manifest/common.capnp.h"
#include "tests/services/changed_manifests.h"

namespace pyrene::init {
namespace {

constexpr const char* kNames[] = {"hangs", "faults", "exits"};

}  // namespace

std::vector<proto::Manifest::Reader> Manifests() {
  return ChangedManifests([](proto::Manifest::Builder manifest, proto::Manifest::Reader original) {
    const unsigned count = original.getServices().size();
    auto services = manifest.initServices(count + std::size(kNames));
    for (unsigned i = 0; i < count; ++i) services.setWithCaveats(i, original.getServices()[i]);
    for (unsigned i = 0; i < std::size(kNames); ++i) {
      services.setWithCaveats(count + i, manifest::XL.get());
      auto service = services[count + i];
      service.setName(kNames[i]);
      service.setFile("services/failing");
      service.setHeartbeatMs(1000);
      service.initArguments(1).set(0, kNames[i]);
    }
  });
}

}  // namespace pyrene::init
