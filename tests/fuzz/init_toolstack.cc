// SPDX-License-Identifier: Apache-2.0
//
// What xl asks of init, the whole of which is there: each request gets an answer that can be read,
// and when all guests are destroyed, all memory is free again and no object is left.
#include "tests/fuzz/init/init_world.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::ToolstackRequest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  fuzz::InitWorld world;
  const uint64_t free_pages = world.FreePages();
  const size_t objects = world.objects();
  try {
    for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
      fuzz::PeerEnd& xl = world.End("xl", "toolstack");
      static_cast<void>(xl.Send(message));
      world.Wake("xl");
      world.Settle();
      // What init does not allow ends xl's connection, and the operator's next xl begins another.
      if (xl.Broken()) {
        static_cast<void>(world.supervisor().Kill(*world.supervisor().Find("xl")));
        world.Settle();
      }
    }
    world.DestroyAllGuests();
    fuzz::Require(world.guests().count() == 0);
    fuzz::Require(world.FreePages() == free_pages && world.objects() == objects);
  } catch (const fuzz::MachineEnded&) {  // it was asked for
  }
  return 0;
}
